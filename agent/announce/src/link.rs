//! Whether an uplink carries packets, and its link-layer address: from the kernel's messages about links.

use std::io;

use futures::channel::mpsc::UnboundedReceiver;
use futures::{StreamExt, TryStreamExt};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::sys::SocketAddr;
use rtnetlink::{Handle, MulticastGroup};

use crate::packet::MacAddr;
use crate::segment::Link;

/// Follows one interface by its name.
pub(crate) struct LinkWatch {
    name: String,
    netlink: Handle,
    messages: UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>,
}

impl LinkWatch {
    /// Begins to watch. Within a tokio runtime, in the network namespace of this thread.
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        let (connection, netlink, messages) =
            rtnetlink::new_multicast_connection(&[MulticastGroup::Link])?;
        tokio::spawn(connection);
        Ok(Self { name: name.to_owned(), netlink, messages })
    }

    /// How the interface is now; `None` while it is absent, down, without carrier, or no Ethernet.
    pub(crate) async fn now(&self) -> Option<Link> {
        let mut links = self.netlink.link().get().match_name(self.name.clone()).execute();
        match links.try_next().await {
            Ok(Some(message)) => carries(&message),
            Ok(None) => None,
            Err(error) => {
                // An interface that is not there is an error too.
                tracing::debug!(uplink = self.name, %error, "no such interface");
                None
            }
        }
    }

    /// Returns when the interface may have changed.
    ///
    /// # Errors
    /// When the kernel tells nothing any more.
    pub(crate) async fn changed(&mut self) -> io::Result<()> {
        loop {
            let Some((message, _)) = self.messages.next().await else {
                return Err(io::Error::other("the kernel tells no more about links"));
            };
            match message.payload {
                NetlinkPayload::InnerMessage(
                    RouteNetlinkMessage::NewLink(link) | RouteNetlinkMessage::DelLink(link),
                ) if name(&link) != Some(&self.name) => {}
                // Ours, or messages were lost.
                _ => return Ok(()),
            }
        }
    }
}

fn name(link: &LinkMessage) -> Option<&String> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name),
        _ => None,
    })
}

/// RFC 2863: operational, which is more than administratively up.
fn carries(link: &LinkMessage) -> Option<Link> {
    let mac = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Address(bytes) => bytes.as_slice().try_into().ok().map(MacAddr),
        _ => None,
    })?;
    let is_running = link.header.flags.contains(LinkFlags::Up | LinkFlags::Running);
    (is_running && mac.is_unicast()).then_some(Link { index: link.header.index, mac })
}
