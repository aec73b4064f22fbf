//! Volumes of a v1 Pod.

use std::path::Path;

use k8s_openapi::api::core::v1 as api;

use super::container::stays_below;
use super::env::{data, pod_field, resource_field};
use super::{Refusals, unsigned};
use crate::pod::spec::{
    DataKind, DownwardFile, EnvValue, FileItem, FileSource, FilesPlugin, HostPathKind, Volume,
    VolumeSource,
};
use crate::quantity::Quantity;

/// Octal 0644, the API's default for files.
const FILE_MODE: u32 = 0o644;

pub(super) fn volumes(volumes: Vec<api::Volume>, refusals: &mut Refusals) -> Vec<Volume> {
    let decoded = volumes.into_iter().enumerate().filter_map(|(i, volume)| {
        let name = volume.name.clone();
        let source = source(&format!("spec.volumes[{i}]"), volume, refusals)?;
        Some(Volume { name, source })
    });
    decoded.collect()
}

fn source(field: &str, volume: api::Volume, refusals: &mut Refusals) -> Option<VolumeSource> {
    if let Some(source) = volume.empty_dir {
        let medium = source.medium.unwrap_or_default();
        if !matches!(medium.as_str(), "" | "Memory") {
            refusals
                .add(format!("{field}.emptyDir.medium"), "use Memory, or leave it out for disk");
        }
        let size_limit = source.size_limit.and_then(|q| Quantity::parse(&q.0));
        return Some(VolumeSource::EmptyDir { in_memory: medium == "Memory", size_limit });
    }
    if let Some(source) = volume.host_path {
        let kind = host_path_kind(field, source.type_.as_deref(), refusals)?;
        return Some(VolumeSource::HostPath { path: source.path.into(), kind });
    }
    let (plugin, sources, default_mode) = if let Some(source) = volume.config_map {
        let items = items(&format!("{field}.configMap"), source.items, refusals);
        let source_ref = data(DataKind::ConfigMap, source.name, source.optional);
        let sources = vec![FileSource::Data { source: source_ref, items }];
        (FilesPlugin::ConfigMap, sources, source.default_mode)
    } else if let Some(source) = volume.secret {
        let items = items(&format!("{field}.secret"), source.items, refusals);
        let name = source.secret_name.unwrap_or_default();
        let source_ref = data(DataKind::Secret, name, source.optional);
        let sources = vec![FileSource::Data { source: source_ref, items }];
        (FilesPlugin::Secret, sources, source.default_mode)
    } else if let Some(source) = volume.downward_api {
        let files = downward(&format!("{field}.downwardAPI"), source.items, refusals);
        (FilesPlugin::DownwardApi, vec![FileSource::Downward(files)], source.default_mode)
    } else if let Some(source) = volume.projected {
        let projections = source.sources.unwrap_or_default().into_iter().enumerate();
        let sources = projections.filter_map(|(i, p)| {
            projection(&format!("{field}.projected.sources[{i}]"), p, refusals)
        });
        (FilesPlugin::Projected, sources.collect(), source.default_mode)
    } else {
        let kind = other_kind(&volume);
        let detail = "this kind of volume is not supported by this node; use emptyDir, hostPath, \
                      configMap, secret, downwardAPI or projected";
        refusals.add(format!("{field}.{kind}"), detail);
        return None;
    };
    let default_mode = default_mode.map_or(FILE_MODE, unsigned);
    Some(VolumeSource::Files { plugin, sources, default_mode })
}

fn projection(
    field: &str,
    projection: api::VolumeProjection,
    refusals: &mut Refusals,
) -> Option<FileSource> {
    let api::VolumeProjection {
        cluster_trust_bundle,
        config_map,
        downward_api,
        pod_certificate,
        secret,
        service_account_token,
    } = projection;
    refusals.if_set(cluster_trust_bundle.is_some(), format!("{field}.clusterTrustBundle"));
    refusals.if_set(pod_certificate.is_some(), format!("{field}.podCertificate"));
    refusals.if_set(service_account_token.is_some(), format!("{field}.serviceAccountToken"));
    if let Some(source) = config_map {
        let items = items(field, source.items, refusals);
        let source = data(DataKind::ConfigMap, source.name, source.optional);
        return Some(FileSource::Data { source, items });
    }
    if let Some(source) = secret {
        let items = items(field, source.items, refusals);
        let source = data(DataKind::Secret, source.name, source.optional);
        return Some(FileSource::Data { source, items });
    }
    downward_api.map(|source| FileSource::Downward(downward(field, source.items, refusals)))
}

fn items(
    field: &str,
    items: Option<Vec<api::KeyToPath>>,
    refusals: &mut Refusals,
) -> Vec<FileItem> {
    let decoded = items.unwrap_or_default().into_iter().enumerate().filter_map(|(i, item)| {
        let path = checked_path(&format!("{field}.items[{i}].path"), item.path, refusals)?;
        Some(FileItem { key: item.key, path, mode: item.mode.map(unsigned) })
    });
    decoded.collect()
}

fn downward(
    field: &str,
    items: Option<Vec<api::DownwardAPIVolumeFile>>,
    refusals: &mut Refusals,
) -> Vec<DownwardFile> {
    let decoded = items.unwrap_or_default().into_iter().enumerate().filter_map(|(i, item)| {
        let field = format!("{field}.items[{i}]");
        let value = if let Some(selector) = item.field_ref {
            EnvValue::Field(pod_field(&field, &selector, refusals)?)
        } else {
            EnvValue::Resource(resource_field(&field, item.resource_field_ref?, refusals)?)
        };
        let path = checked_path(&format!("{field}.path"), item.path, refusals)?;
        Some(DownwardFile { path, mode: item.mode.map(unsigned), value })
    });
    decoded.collect()
}

/// A file's place in its volume may not lead out of it.
fn checked_path(field: &str, path: String, refusals: &mut Refusals) -> Option<String> {
    if path.is_empty() || path.starts_with("..") || !stays_below(Path::new(&path)) {
        refusals.add(field, "must be a relative path without '..'");
        return None;
    }
    Some(path)
}

fn host_path_kind(
    field: &str,
    kind: Option<&str>,
    refusals: &mut Refusals,
) -> Option<HostPathKind> {
    Some(match kind.unwrap_or_default() {
        "" => HostPathKind::Unchecked,
        "DirectoryOrCreate" => HostPathKind::DirectoryOrCreate,
        "Directory" => HostPathKind::Directory,
        "FileOrCreate" => HostPathKind::FileOrCreate,
        "File" => HostPathKind::File,
        "Socket" => HostPathKind::Socket,
        "CharDevice" => HostPathKind::CharDevice,
        "BlockDevice" => HostPathKind::BlockDevice,
        other => {
            refusals.add(format!("{field}.hostPath.type"), format!("Unsupported value: {other:?}"));
            return None;
        }
    })
}

/// The name of a volume's source field, for the message that it is not supported.
fn other_kind(volume: &api::Volume) -> String {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(volume) else {
        return "unknown".into();
    };
    fields.keys().find(|key| *key != "name").cloned().unwrap_or_else(|| "unknown".into())
}
