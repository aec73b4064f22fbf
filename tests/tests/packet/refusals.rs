//! What nobody answers: refused at once where somebody could have, dropped and counted where nobody could.

use sheave_abi::event::Event::*;

use crate::frame::*;
use crate::{DROP, REDIRECT, case, check_both};

#[test]
fn what_nobody_answers_is_refused_or_dropped() {
    check_both(|net| {
        let s2 = net.service(2);
        let syn = from_pod2(s2, tcp((40000, 80), SYN));
        let segment = |seq, ack, flags, len| Body::Tcp {
            ports: (40000, 80),
            seq,
            ack,
            flags,
            data: vec![9; len],
        };
        let data = from_pod2(s2, segment(5, 77, ACK, 31));
        let reset_data =
            Body::Tcp { ports: (80, 40000), seq: 77, ack: 0, flags: RST, data: vec![] };
        let fin = from_pod2(s2, segment(u32::MAX, 0, FIN, 3));
        let reset_fin =
            Body::Tcp { ports: (80, 40000), seq: 0, ack: 3, flags: RST | ACK, data: vec![] };
        let rst = from_pod2(s2, tcp((40000, 80), RST));
        let query = from_pod2(s2, udp((40000, 53)));
        let unreachable = net.port_unreachable(&query);
        let port = from_pod2(net.service(1), tcp((40000, 81), SYN));
        let nobody = from_pod2(net.unallocated(), tcp((40000, 80), SYN));
        let local = from_pod2(net.service(5), tcp((40000, 80), SYN));
        let gone = from_pod2(net.pod(99), tcp((40000, 80), SYN));
        let gre = from_pod2(net.service(1), Body::Raw { protocol: 47, data: vec![0; 24] });
        vec![
            case(
                "a connection to a service without endpoints is reset",
                "pod_ingress",
                syn.clone(),
                (REDIRECT, syn.back(reset((80, 40000)))),
                &[Refused],
            ),
            case(
                "a segment of an unknown connection is reset by its acknowledgement",
                "pod_ingress",
                data.clone(),
                (REDIRECT, data.back(reset_data)),
                &[Refused],
            ),
            case(
                "FIN and data count in what a reset acknowledges",
                "pod_ingress",
                fin.clone(),
                (REDIRECT, fin.back(reset_fin)),
                &[Refused],
            ),
            case("a reset is not answered", "pod_ingress", rst.clone(), (DROP, rst), &[]),
            case(
                "a datagram to a service without endpoints is unreachable",
                "pod_ingress",
                query.clone(),
                (REDIRECT, query.back(unreachable)),
                &[Refused],
            ),
            case(
                "a port that the service does not have is refused",
                "pod_ingress",
                port.clone(),
                (REDIRECT, port.back(reset((81, 40000)))),
                &[Refused],
            ),
            case(
                "an address that no service has is dropped",
                "pod_ingress",
                nobody.clone(),
                (DROP, nobody),
                &[UnallocatedAddress],
            ),
            case(
                "a local policy without a local endpoint drops",
                "pod_ingress",
                local.clone(),
                (DROP, local),
                &[NoLocalEndpoint],
            ),
            case(
                "a pod of this node that is gone is refused",
                "pod_ingress",
                gone.clone(),
                (REDIRECT, gone.back(reset((80, 40000)))),
                &[PodGone],
            ),
            case(
                "a protocol that services do not have is dropped",
                "pod_ingress",
                gre.clone(),
                (DROP, gre),
                &[ServiceProtocol],
            ),
        ]
    });
}
