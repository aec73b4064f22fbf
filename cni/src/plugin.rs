//! The commands as the specification words them: parameters in, result out. The one place that knows the
//! protocol library's types; configuration and results are converted here.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use rscni_plugin::cni::Cni;
use rscni_plugin::error::Error;
use rscni_plugin::types::{Args, CNIResult, Interface, IpConfig, Route};
use rscni_plugin::version::SpecVersion;

use crate::add::{self, Added};
use crate::attachment::{Attachment, mac_text};
use crate::config::Config;
use crate::failure::{Failure, text};
use crate::netns::PodNetns;
use crate::route::{NODE_MTU, gateway};
use crate::{check, remove};

/// The plugin. It has no state but what is on disk and in the kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct SheaveCni;

/// `mtu` of an interface came with this version.
const WITH_MTU: SpecVersion = SpecVersion::new(1, 1, 0);

/// The newest version of the specification that the plugin speaks, and all of them.
pub fn spec_versions() -> (SpecVersion, Vec<SpecVersion>) {
    let all = vec![SpecVersion::new(0, 4, 0), SpecVersion::new(1, 0, 0), WITH_MTU];
    (WITH_MTU, all)
}

impl Cni for SheaveCni {
    fn add(&self, args: Args) -> Result<CNIResult, Error> {
        let config = Config::read(args.config()).map_err(Failure::from)?;
        if args.config().prev_result.is_some() {
            let why =
                "prevResult: sheave-cni makes the pod's interface and must be the first plugin";
            return Err(Failure::Missing(why).into());
        }
        let (attachment, netns) = (attachment(&args), netns(&args)?);
        let added = add::add(&config, &attachment, &netns)?;
        let with_mtu = args.config().version()? >= WITH_MTU;
        Ok(result(&attachment, &netns, &added, with_mtu))
    }

    fn del(&self, args: Args) -> Result<(), Error> {
        let config = Config::read(args.config()).map_err(Failure::from)?;
        Ok(remove::remove(&config, &attachment(&args))?)
    }

    fn check(&self, args: Args) -> Result<(), Error> {
        let config = Config::read(args.config()).map_err(Failure::from)?;
        let Some(previous) = &args.config().prev_result else {
            return Err(
                Failure::Missing("prevResult: Required value: CHECK compares with it").into()
            );
        };
        let attachment = attachment(&args);
        // Plugins after this one may have added to the result, but not taken from it.
        let ours = |interface: &Interface| interface.name == attachment.ifname;
        if !previous.interfaces.iter().any(ours) {
            let why = format!("prevResult: interface {} is not in it", attachment.ifname);
            return Err(Failure::Differs(why).into());
        }
        Ok(check::check(&config, &attachment, &netns(&args)?)?)
    }

    fn status(&self, args: Args) -> Result<(), Error> {
        let config = Config::read(args.config()).map_err(Failure::from)?;
        check::status(&config).map_err(|failure| Error::PluginNotAvailable(text(&failure)))
    }

    fn gc(&self, args: Args) -> Result<(), Error> {
        let config = Config::read(args.config()).map_err(Failure::from)?;
        let Some(valid) = &args.config().valid_attachments else {
            // Without the list everything would be garbage.
            let why = "cni.dev/valid-attachments: Required value: GC removes what is not in it";
            return Err(Failure::Missing(why).into());
        };
        let valid: BTreeSet<_> = valid
            .iter()
            .map(|valid| Attachment {
                container_id: valid.container_id.clone(),
                ifname: valid.ifname.clone(),
            })
            .collect();
        Ok(remove::collect_garbage(&config, &valid)?)
    }
}

fn attachment(args: &Args) -> Attachment {
    let required = "the protocol library refuses ADD, DEL and CHECK without it";
    Attachment {
        container_id: args.container_id().expect(required).to_string(),
        ifname: args.ifname().expect(required).to_string(),
    }
}

fn netns(args: &Args) -> Result<PodNetns, Failure> {
    let path = args.netns().expect("the protocol library refuses ADD and CHECK without it");
    Ok(PodNetns::open(path)?)
}

fn result(attachment: &Attachment, netns: &PodNetns, added: &Added, with_mtu: bool) -> CNIResult {
    const POD_INTERFACE: u32 = 1;
    let interface = |name: String, mac, sandbox| Interface {
        name,
        mac: mac_text(mac),
        mtu: with_mtu.then_some(NODE_MTU.max(added.mtu)),
        sandbox,
        socket_path: None,
        pci_id: None,
    };
    let sandbox = netns.path().to_string_lossy().into_owned();
    let ip = |&address: &IpAddr| IpConfig {
        interface: Some(POD_INTERFACE),
        address: IpNet::from(address),
        gateway: Some(gateway(address)),
    };
    let route = |dst: IpNet, mtu: Option<u32>| Route {
        dst,
        gw: Some(gateway(dst.addr())),
        mtu: mtu.filter(|_| with_mtu),
        advmss: None,
        priority: None,
        table: None,
        scope: None,
    };
    let default = |&address: &IpAddr| {
        let anywhere = match address {
            IpAddr::V4(_) => IpNet::new_assert(Ipv4Addr::UNSPECIFIED.into(), 0),
            IpAddr::V6(_) => IpNet::new_assert(Ipv6Addr::UNSPECIFIED.into(), 0),
        };
        route(anywhere, Some(added.mtu))
    };
    let same_node = |&pods: &IpNet| route(pods, None);
    CNIResult {
        interfaces: vec![
            interface(attachment.host_interface(), added.macs.host, None),
            interface(attachment.ifname.clone(), added.macs.pod, Some(sandbox)),
        ],
        ips: added.addresses.iter().map(ip).collect(),
        routes: added
            .addresses
            .iter()
            .map(default)
            .chain(added.node.iter().map(same_node))
            .collect(),
        dns: None,
    }
}
