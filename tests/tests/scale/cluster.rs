//! Clusters of a size, and changes of single endpoints.

use std::net::Ipv4Addr;
use std::num::NonZeroU16;

use sheave_core::model::{Endpoint, EndpointPort, EndpointSlice, ObjectKey, Protocol, Update};
use sheave_tests::services::service;

/// Endpoints of a slice, at most (`--max-endpoints-per-slice`).
const SLICE_MAX: u32 = 100;

/// A Service and its endpoints.
pub(crate) struct Sized {
    name: String,
    address: Ipv4Addr,
    /// The first of its endpoints; the others follow.
    first: u32,
    /// How many.
    pub(crate) endpoints: u32,
    /// Which of them is not ready.
    absent: Option<u32>,
}

/// All Services.
pub(crate) struct Cluster {
    pub(crate) services: Vec<Sized>,
    next_endpoint: u32,
}

impl Cluster {
    /// One Service with 5,000 endpoints, 10,000 with two.
    pub(crate) fn ten_thousand() -> Self {
        let mut cluster = Self { services: Vec::new(), next_endpoint: 0 };
        cluster.add("large", 5_000);
        (0..10_000).for_each(|number| cluster.add(&format!("small-{number}"), 2));
        cluster
    }

    /// The same and 2,250 with a hundred.
    pub(crate) fn quarter_million() -> Self {
        let mut cluster = Self::ten_thousand();
        (0..2_250).for_each(|number| cluster.add(&format!("middle-{number}"), 100));
        cluster
    }

    fn add(&mut self, name: &str, endpoints: u32) {
        let number = self.services.len() as u32 + 1;
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 96, 0, 0)) + number);
        let first = self.next_endpoint;
        self.next_endpoint += endpoints;
        self.services.push(Sized { name: name.into(), address, first, endpoints, absent: None });
    }

    /// All of it, as a source says it.
    pub(crate) fn updates(&self) -> Vec<Update> {
        self.services.iter().flat_map(Sized::updates).collect()
    }

    /// An endpoint that was ready is not any more, or is again: of the large Service each third time.
    pub(crate) fn change(&mut self, number: usize) -> Update {
        let services = self.services.len();
        let service = match number % 3 {
            0 => &mut self.services[0],
            _ => &mut self.services[number * 7919 % services],
        };
        let changed = match service.absent.take() {
            Some(back) => back,
            None => {
                let gone = number as u32 * 31 % service.endpoints;
                service.absent = Some(gone);
                gone
            }
        };
        service.slice(changed / SLICE_MAX)
    }
}

impl Sized {
    fn updates(&self) -> Vec<Update> {
        let frontend = format!("{}:80", self.address);
        let slices = (0..self.endpoints.div_ceil(SLICE_MAX)).map(|number| self.slice(number));
        let service = service(&self.name, Protocol::Tcp, &frontend, None);
        slices.chain([Update::Service(service)]).collect()
    }

    fn slice(&self, number: u32) -> Update {
        let numbers = number * SLICE_MAX..((number + 1) * SLICE_MAX).min(self.endpoints);
        let endpoints = numbers.map(|number| {
            let address = u32::from(Ipv4Addr::new(10, 0, 0, 0)) + self.first + number;
            let is_absent = self.absent == Some(number);
            Endpoint {
                addresses: vec![Ipv4Addr::from(address).into()],
                ready: !is_absent,
                serving: !is_absent,
                terminating: false,
                node_name: format!("node-{}", address % 100),
                zone: String::new(),
                zone_hints: vec![],
                node_hints: vec![],
                hostname: String::new(),
            }
        });
        let (name, port) = (String::new(), NonZeroU16::new(8080).expect("it is not 0"));
        Update::EndpointSlice(EndpointSlice {
            key: ObjectKey { namespace: "default".into(), name: format!("{}-{number}", self.name) },
            service_name: self.name.clone(),
            ports: vec![EndpointPort { name, protocol: Protocol::Tcp, port }],
            endpoints: endpoints.collect(),
        })
    }
}
