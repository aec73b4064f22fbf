//! The benches that there are: what each is called, what it needs, and what it measures and how.

use clap::{Subcommand, ValueEnum};

/// A bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand, ValueEnum)]
pub(super) enum Name {
    /// One TCP stream between two pods: by address, through a Service, and over plain veths of the same pods
    Throughput,
    /// Services beside kube-proxy's rules, a bridge and plain veths: throughput, connections, latency, datagrams
    Service,
    /// How fast names of ten thousand Services are answered to a pod, beside dnsmasq, and what memory that takes
    Dns,
    /// Throughput between pods of two nodes, beside the nodes' own and beside the kernel's VXLAN alone
    Nodes,
    /// How fast a server tells the agents of a hundred nodes, which are hollow, and what memory that takes
    Push,
    /// From a write at the API to the map and to a connection, beside iptables; an agent's first sync
    Programming,
    /// What each kind of packet costs in the kernel programs, beside the figures that are committed
    Packets,
    /// How fast a first cluster is there and starts again, how fast pods start, what the daemons cost at rest
    Footprint,
}

/// What a bench needs of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// The cluster of `cargo xtask up` runs.
    Cluster,
    /// No cluster runs: it starts what it needs.
    Nothing,
}

impl Name {
    /// As it is typed, and as its files are called.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Service => "service",
            Self::Dns => "dns",
            Self::Nodes => "nodes",
            Self::Push => "push",
            Self::Programming => "programming",
            Self::Packets => "packets",
            Self::Footprint => "footprint",
        }
    }

    pub(super) fn needs(self) -> Needs {
        match self {
            Self::Throughput | Self::Dns => Needs::Cluster,
            Self::Service
            | Self::Nodes
            | Self::Push
            | Self::Programming
            | Self::Packets
            | Self::Footprint => Needs::Nothing,
        }
    }

    /// The heading of its part of the page.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Throughput => "Throughput on one node",
            Self::Service => "Services beside kube-proxy's rules",
            Self::Dns => "Names",
            Self::Nodes => "Throughput between nodes",
            Self::Push => "Telling a hundred nodes",
            Self::Programming => "From a change to its effect",
            Self::Packets => "Packets",
            Self::Footprint => "Start and footprint",
        }
    }

    /// What it measures and how, in Markdown.
    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Throughput => {
                "One TCP stream between two pods of one node, with iperf3: by the pod's address, through a Service, \
                 and over plain veth pairs of the same two pods with routes between them on the host, once with the \
                 uplink's MTU and once with that of Sheave's own. With both ends where the kernel places them, on \
                 one processor, and each on a core of its own."
            }
            Self::Service => {
                "The same client and the same server as two pods of one node, over plain routed veths, a bridge, the \
                 rules that kube-proxy writes in its iptables mode (both backends of iptables) and in its nftables \
                 mode, and Sheave; and from a client outside by a NodePort. With 1 to 30,000 Services. Each peer has \
                 a network namespace of its own, and all have the same links, MTU and processors. Throughput is \
                 iperf3's; connections, requests and datagrams are those of a program of our own, the same for all. \
                 Processor time is all that the machine was busy. [How, and which traps there are](service.md)."
            }
            Self::Dns => {
                "A pod asks for the names of 10,000 Services: of the agent by the address that pods know, and of \
                 Debian's dnsmasq on the node with the same names. First dnsperf, 5,000 questions a second, then a \
                 program of our own that costs less than a server, as many as are answered. Memory is that of the \
                 agent, started anew without and with its DNS."
            }
            Self::Nodes => {
                "One TCP stream with iperf3 between two nodes of a lab, which are network namespaces of one machine \
                 with a link between them: pods by a route beside the nodes themselves and beside two other \
                 machines, without Sheave; and pods through Sheave's tunnel beside the kernel's VXLAN, with the same MTU."
            }
            Self::Push => {
                "One server and the agents of a hundred nodes, which are hollow: processes that keep a stream, a \
                 certificate and the agent's model each, and neither run a pod nor write a map. A complete state to \
                 all of them, from before the first process is started until the server has each one's \
                 acknowledgement; then changes of one endpoint. Memory is resident, some seconds later."
            }
            Self::Programming => {
                "A cluster of one node, with 1, 1,000 and more Services of two endpoints. One more, whose only \
                 endpoint becomes ready by a write to its EndpointSlice: until the agent's maps hold that, and until a \
                 connection from the node succeeds, which is tried every 0.2 ms. Both begin before the request is \
                 sent, which goes by `kubectl proxy` and is on disk before it is answered. Beside it, in turn, the rules of \
                 kube-proxy for the same Services in a network namespace of their own: how long `iptables-restore \
                 --noflush` takes for what kube-proxy writes when an endpoint comes or goes; its watching, and that it \
                 collects changes for a second, are not in it. The first sync is from the start of the agent's process, \
                 on a kernel without anything of Sheave and while the server starts too, until its maps hold \
                 everything: with one Service that is loading the programs. That of rules is the restore of all of them."
            }
            Self::Packets => {
                "Each kind of packet of [the hot path](../hot-path.md) that a packet program shows on a frame alone, \
                 by BPF_PROG_TEST_RUN: the kernel runs the program on the frame, and says how long that took by its \
                 own clock. A frame is run once and given anew each time, because the program changes it; what \
                 a single run takes more than one of many (reading the clock, and what is in no cache after a system \
                 call) stands in a row of its own, and is in all others. Of the thousands of runs of a row in a \
                 round, the middle half counts. What is beyond the program (the frame's way to it and from it) is \
                 not in it; programs of the tunnel and of sockets cannot be run that way. Below: instructions of each program, and what the verifier walks of it when it is loaded."
            }
            Self::Footprint => {
                "A first start on an empty store, in directories of its own: from `sheave up` until the API answers \
                 and the node is Ready, and pods from the request until they run. Then starts with pods that keep \
                 running, until the API answers and until the agent says that its maps hold what they should. At \
                 rest, without pods and with three: memory that is resident, and its share of that where pages are \
                 shared (PSS); processor time; and wake-ups, which are the voluntary context switches of all \
                 threads. Programs are as they are shipped, without debug information."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bench_is_called_as_it_is_typed() {
        for name in Name::value_variants() {
            let typed = name.to_possible_value().unwrap();
            assert_eq!(typed.get_name(), name.word());
        }
    }
}
