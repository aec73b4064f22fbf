//! How a program is attached on kernels without tcx (before 6.6): a clsact qdisc and a cls_bpf filter in
//! direct-action mode, at a fixed priority and handle, so that replacing it is atomic and never doubles it.

use futures::StreamExt;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpf, TcFilterBpfOption, TcHandle, TcMessage, TcOption,
};
use rtnetlink::Handle;
use sheave_abi::pins::{TC_HANDLE, TC_PRIORITY};

use crate::bpf::PodIngress;
use crate::network::{NetworkError, step};

/// What `tc filter show` prints.
pub const NAME: &str = "sheave/pod_ingress";

/// Attaches to the ingress of an interface.
///
/// # Errors
/// When the kernel lacks clsact or cls_bpf, or the link is gone.
pub async fn attach(
    netlink: &Handle,
    ifindex: u32,
    program: &PodIngress,
) -> Result<(), NetworkError> {
    let mut qdisc = TcMessage::with_index(ifindex.cast_signed());
    qdisc.header.parent = TcHandle::CLSACT;
    qdisc.header.handle = TcHandle { major: 0xffff, minor: 0 };
    qdisc.attributes.push(TcAttribute::Kind("clsact".into()));
    let message = RouteNetlinkMessage::NewQueueDiscipline(qdisc);
    request(netlink, message).await.map_err(step("add a clsact qdisc"))?;

    let mut filter = TcMessage::with_index(ifindex.cast_signed());
    filter.header.parent = TcHandle { major: 0xffff, minor: TcHandle::MIN_INGRESS };
    filter.header.handle = TcHandle::from(TC_HANDLE);
    let protocol = (nix::libc::ETH_P_ALL as u16).to_be();
    filter.header.info = u32::from(TcHandle { major: TC_PRIORITY, minor: protocol });
    let fd = u32::try_from(program.as_raw_fd()).expect("a descriptor is never negative");
    filter.attributes = vec![
        TcAttribute::Kind(TcFilterBpf::KIND.into()),
        TcAttribute::Options(vec![
            TcOption::Bpf(TcFilterBpfOption::ProgFd(fd)),
            TcOption::Bpf(TcFilterBpfOption::ProgName(NAME.into())),
            TcOption::Bpf(TcFilterBpfOption::Flags(TcBpfFlags::DirectAction)),
        ]),
    ];
    let message = RouteNetlinkMessage::NewTrafficFilter(filter);
    request(netlink, message).await.map_err(step("add a cls_bpf filter"))
}

async fn request(netlink: &Handle, message: RouteNetlinkMessage) -> Result<(), rtnetlink::Error> {
    let mut request = NetlinkMessage::from(message);
    request.header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    let mut answers = netlink.clone().request(request)?;
    while let Some(answer) = answers.next().await {
        if let NetlinkPayload::Error(error) = answer.payload
            && error.code.is_some()
        {
            return Err(rtnetlink::Error::NetlinkError(error));
        }
    }
    Ok(())
}
