//! Which network namespace a sandbox has. CRI has no field for it: containerd and CRI-O both show the OCI
//! runtime's configuration of the sandbox in their verbose answer, where it stands.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Answer, Cri, quick, v1};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    runtime_spec: Option<RuntimeSpec>,
}

#[derive(Deserialize)]
struct RuntimeSpec {
    linux: Option<Linux>,
}

#[derive(Deserialize)]
struct Linux {
    #[serde(default)]
    namespaces: Vec<Namespace>,
}

#[derive(Deserialize)]
struct Namespace {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    path: PathBuf,
}

impl Cri {
    /// A file that stands for the namespace, for as long as the sandbox was not stopped. `None`: it has none
    /// of its own, or the runtime does not say.
    pub(crate) async fn sandbox_netns(&self, id: &str) -> Answer<Option<PathBuf>> {
        let request =
            quick(v1::PodSandboxStatusRequest { pod_sandbox_id: id.into(), verbose: true });
        let response = self.runtime().pod_sandbox_status(request).await?.into_inner();
        Ok(response.info.get("info").and_then(|info| read(info)))
    }
}

fn read(info: &str) -> Option<PathBuf> {
    let info: Info = serde_json::from_str(info).ok()?;
    let mut namespaces = info.runtime_spec?.linux?.namespaces.into_iter();
    let network = namespaces.find(|namespace| namespace.kind == "network")?;
    Some(network.path).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_is_read_where_there_is_one() {
        let info = |namespaces: &str| {
            format!(r#"{{"pid":7,"runtimeSpec":{{"linux":{{"namespaces":[{namespaces}]}}}}}}"#)
        };
        let own = info(r#"{"type":"pid"},{"type":"network","path":"/run/netns/cni-1"}"#);
        assert_eq!(read(&own), Some("/run/netns/cni-1".into()));
        for none in [info(r#"{"type":"pid"}"#), info(r#"{"type":"network"}"#), "{}".into()] {
            assert_eq!(read(&none), None, "{none}");
        }
        assert_eq!(read("not JSON"), None);
    }
}
