//! By what is counted: sets of a few values each, fixed here, so that no client can make another.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

/// An enum whose values are numbered from 0, and have a text each.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$value_doc])* $value,)+
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$value,)+];

            /// What it is called.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }
        }
    };
}

labels! {
    /// Who knew the answer.
    ZoneLabel {
        /// The zone: a name of the cluster.
        Cluster = "cluster",
        /// The zone: a name of one of the cluster's addresses.
        Reverse = "reverse",
        /// Somebody else, or nobody: also where a name of the cluster leads outside, and what is refused.
        Other = "other",
    }
}

labels! {
    /// Type of the record that was asked for.
    TypeLabel {
        /// IPv4 addresses.
        A = "A",
        /// IPv6 addresses.
        Aaaa = "AAAA",
        /// Ports.
        Srv = "SRV",
        /// Names of addresses.
        Ptr = "PTR",
        /// Other names.
        Cname = "CNAME",
        /// Text.
        Txt = "TXT",
        /// Start of a zone.
        Soa = "SOA",
        /// Servers of a zone.
        Ns = "NS",
        /// Who takes mail.
        Mx = "MX",
        /// How a web server is reached.
        Https = "HTTPS",
        /// All of them.
        Any = "ANY",
        /// Another one, or none that could be read.
        Other = "other",
    }
}

labels! {
    /// Code of a response.
    CodeLabel {
        /// It is there.
        NoError = "NOERROR",
        /// There is no such name.
        NxDomain = "NXDOMAIN",
        /// It cannot be said.
        ServFail = "SERVFAIL",
        /// The question is none.
        FormErr = "FORMERR",
        /// It is not said.
        Refused = "REFUSED",
        /// It is no question.
        NotImp = "NOTIMP",
        /// Another one.
        Other = "other",
    }
}

labels! {
    /// How a question came, and how its response goes.
    Transport {
        /// By datagram.
        Udp = "udp",
        /// By a connection.
        Tcp = "tcp",
    }
}

labels! {
    /// Why there is no response.
    DropReason {
        /// The client is neither a pod nor a process of this machine.
        NotServed = "not_served",
        /// It is no question, or longer than one can be.
        Malformed = "malformed",
        /// Too many datagrams wait for upstreams.
        Full = "full",
        /// The client has as many connections as it may have.
        TooManyConnections = "too_many_connections",
        /// The response cannot be put into a message.
        Unwritable = "unwritable",
        /// The kernel or the client has not taken the response.
        Unsent = "unsent",
    }
}

labels! {
    /// What came of a question to an upstream.
    UpstreamOutcome {
        /// It has said what there is, or that there is nothing.
        Answered = "answered",
        /// It has said that it cannot or will not tell.
        Useless = "useless",
        /// No answer in time.
        Silent = "silent",
        /// It cannot be reached, or what it says cannot be read.
        Failed = "failed",
        /// It was not asked: too many questions are under way.
        Full = "full",
    }
}

impl From<RecordType> for TypeLabel {
    fn from(record_type: RecordType) -> Self {
        match record_type {
            RecordType::A => Self::A,
            RecordType::AAAA => Self::Aaaa,
            RecordType::SRV => Self::Srv,
            RecordType::PTR => Self::Ptr,
            RecordType::CNAME => Self::Cname,
            RecordType::TXT => Self::Txt,
            RecordType::SOA => Self::Soa,
            RecordType::NS => Self::Ns,
            RecordType::MX => Self::Mx,
            RecordType::HTTPS => Self::Https,
            RecordType::ANY => Self::Any,
            _ => Self::Other,
        }
    }
}

impl From<ResponseCode> for CodeLabel {
    fn from(code: ResponseCode) -> Self {
        match code {
            ResponseCode::NoError => Self::NoError,
            ResponseCode::NXDomain => Self::NxDomain,
            ResponseCode::ServFail => Self::ServFail,
            ResponseCode::FormErr => Self::FormErr,
            ResponseCode::Refused => Self::Refused,
            ResponseCode::NotImp => Self::NotImp,
            _ => Self::Other,
        }
    }
}
