//! What the DNS server has counted, read at each scrape.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use sheave_dns::counts::{Counts, Durations, Response, ZoneLabel};

use super::kernel::counters;

/// The server's counts, which are zeros while there is none.
#[derive(Debug)]
pub(super) struct Dns {
    pub(super) counts: Arc<Counts>,
}

impl Collector for Dns {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.responses(&mut encoder)?;
        self.durations(&mut encoder)?;
        let help = "DNS questions without a response, by reason";
        let name = "sheave_dns_dropped";
        let family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        let drops = self.counts.drops().map(|(reason, count)| (reason.text(), count));
        counters(family, "reason", &drops.collect::<Vec<_>>())?;
        self.upstreams(&mut encoder)
    }
}

impl Dns {
    fn responses(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "DNS responses that were sent";
        let name = "sheave_dns_responses";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (response, count) in self.counts.responses() {
            let Response { zone, record_type, code, transport } = response;
            let labels = [
                ("zone", zone.text()),
                ("type", record_type.text()),
                ("rcode", code.text()),
                ("transport", transport.text()),
            ];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn durations(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "From the receipt of a DNS question until its response was handed to the kernel";
        let name = "sheave_dns_response_duration_seconds";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for zone in ZoneLabel::ALL {
            let Durations { buckets, sum_s } = self.counts.durations(*zone);
            let count = buckets.iter().map(|(_, count)| count).sum();
            let labels = [("zone", zone.text())];
            let mut of_zone = family.encode_family(&labels)?;
            of_zone.encode_histogram::<NoLabelSet>(sum_s, count, &buckets, None)?;
        }
        Ok(())
    }

    fn upstreams(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "DNS questions answered by what an upstream had said before";
        let name = "sheave_dns_cache_answers";
        let answers = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(self.counts.cache_answers()).encode(answers)?;
        let help = "Questions to upstreams, by what came of them";
        let name = "sheave_dns_upstream_queries";
        let family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        let queries = self.counts.upstream_queries();
        let queries = queries.map(|(outcome, count)| (outcome.text(), count));
        counters(family, "outcome", &queries.collect::<Vec<_>>())?;
        let help = "Upstreams that are left out because they lead back here";
        let name = "sheave_dns_upstreams_looping";
        let looping = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        let count = i64::try_from(self.counts.upstreams_looping()).unwrap_or(i64::MAX);
        ConstGauge::new(count).encode(looping)
    }
}
