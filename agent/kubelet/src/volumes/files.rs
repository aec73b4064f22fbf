//! What is in a volume of files: keys of ConfigMaps and Secrets, fields of the pod.

use std::path::PathBuf;

use super::atomic::{FileContent, Files};
use crate::data::{DataKey, DataObjects};
use crate::env::{Facts, pod_field, resource_field};
use crate::pod::spec::{
    DataKind, DownwardFile, EnvValue, FileItem, FileSource, PodSpec, VolumeSource,
};

/// All files of a volume; or why not, in words.
pub(super) fn collect(
    spec: &PodSpec,
    sources: &[FileSource],
    default_mode: u32,
    facts: &Facts,
    data: &DataObjects,
) -> Result<Files, String> {
    let mut files = Files::new();
    for source in sources {
        match source {
            FileSource::Data { source, items } => {
                let key = DataKey {
                    kind: source.kind,
                    namespace: spec.key.namespace.clone(),
                    name: source.name.clone(),
                };
                let Some(object) = data.get(&key) else {
                    if source.optional {
                        continue;
                    }
                    return Err(format!("{} {:?} not found", source.kind.as_str(), source.name));
                };
                if items.is_empty() {
                    for (key, bytes) in &object.data {
                        let content = FileContent { bytes: bytes.to_vec(), mode: default_mode };
                        files.insert(PathBuf::from(key), content);
                    }
                }
                for FileItem { key, path, mode } in items {
                    match object.data.get(key) {
                        Some(bytes) => {
                            let mode = mode.unwrap_or(default_mode);
                            let content = FileContent { bytes: bytes.to_vec(), mode };
                            files.insert(PathBuf::from(path), content);
                        }
                        None if source.optional => {}
                        None => {
                            return Err(format!(
                                "references non-existent {} key: {key}",
                                source.kind.as_str()
                            ));
                        }
                    }
                }
            }
            FileSource::Downward(items) => {
                for item in items {
                    let mode = item.mode.unwrap_or(default_mode);
                    let bytes = downward(spec, item, facts)?.into_bytes();
                    files.insert(PathBuf::from(&item.path), FileContent { bytes, mode });
                }
            }
        }
    }
    Ok(files)
}

fn downward(spec: &PodSpec, item: &DownwardFile, facts: &Facts) -> Result<String, String> {
    match &item.value {
        EnvValue::Field(field) => Ok(pod_field(spec, field, facts)),
        EnvValue::Resource(field) => {
            let Some(reader) = spec.containers.first() else { return Ok(String::new()) };
            resource_field(spec, reader, field, facts).map_err(|error| error.to_string())
        }
        EnvValue::Literal(_) | EnvValue::Key { .. } => Ok(String::new()),
    }
}

pub(super) fn holds_secrets(sources: &[FileSource]) -> bool {
    sources.iter().any(|source| {
        matches!(source, FileSource::Data { source, .. } if source.kind == DataKind::Secret)
    })
}

/// Whether the pod's volumes or variables show this object.
pub(crate) fn uses_data(spec: &PodSpec, key: &DataKey) -> bool {
    if spec.key.namespace != key.namespace {
        return false;
    }
    let is_it =
        |source: &crate::pod::spec::DataRef| source.kind == key.kind && source.name == key.name;
    let in_volumes = spec.volumes.iter().any(|volume| match &volume.source {
        VolumeSource::Files { sources, .. } => {
            sources.iter().any(|s| matches!(s, FileSource::Data { source, .. } if is_it(source)))
        }
        _ => false,
    });
    in_volumes
        || spec.all_containers().any(|container| {
            container.env_from.iter().any(|from| is_it(&from.source))
                || container
                    .env
                    .iter()
                    .any(|v| matches!(&v.value, EnvValue::Key { source, .. } if is_it(source)))
        })
}
