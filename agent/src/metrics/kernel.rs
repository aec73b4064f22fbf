//! What the programs count and how full their maps are, read at each scrape.

use std::fmt;
use std::path::PathBuf;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use sheave_dataplane::{Dataplane, MapError};

/// The maps below a directory, opened for each scrape.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) bpffs_dir: PathBuf,
}

impl Collector for Kernel {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        match self.read() {
            Ok(read) => read.encode(&mut encoder),
            Err(error) => {
                // The rest is worth having; what is missing shows by its absence.
                tracing::warn!(%error, "metrics of the maps are missing");
                Ok(())
            }
        }
    }
}

struct Read {
    drops: Vec<(&'static str, u64)>,
    events: Vec<(&'static str, u64)>,
    maps: Vec<(&'static str, usize, u32)>,
}

impl Kernel {
    fn read(&self) -> Result<Read, MapError> {
        let maps = Dataplane::inspect(&self.bpffs_dir)?;
        let (drops, events): (Vec<_>, Vec<_>) =
            maps.counters()?.into_iter().partition(|(event, _)| event.is_drop());
        let named = |counts: Vec<(sheave_abi::event::Event, u64)>| {
            counts.into_iter().map(|(event, count)| (event.name(), count)).collect()
        };
        Ok(Read { drops: named(drops), events: named(events), maps: maps.occupancy()? })
    }
}

impl Read {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Packets dropped, by reason; `sheave drops` has a sentence on each";
        let family = encoder.encode_descriptor("sheave_drops", help, None, MetricType::Counter)?;
        counters(family, "reason", &self.drops)?;
        let help = "What else the programs count: flows opened, packets delivered, ...";
        let family = encoder.encode_descriptor("sheave_events", help, None, MetricType::Counter)?;
        counters(family, "event", &self.events)?;
        let help = "Calls of the agent on maps that met a locked bucket and were made again";
        let name = "sheave_map_calls_retried";
        let retried = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(sheave_dataplane::calls_retried()).encode(retried)?;
        let help = "Entries that a map holds";
        let family =
            encoder.encode_descriptor("sheave_map_entries", help, None, MetricType::Gauge)?;
        gauges(family, self.maps.iter().map(|(map, entries, _)| (*map, *entries as i64)))?;
        let help = "Entries that fit into a map";
        let family =
            encoder.encode_descriptor("sheave_map_capacity", help, None, MetricType::Gauge)?;
        gauges(family, self.maps.iter().map(|(map, _, max)| (*map, i64::from(*max))))
    }
}

pub(super) fn counters(
    mut family: MetricEncoder<'_>,
    label: &'static str,
    counts: &[(&'static str, u64)],
) -> fmt::Result {
    for (name, count) in counts {
        let labels = [(label, *name)];
        ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn gauges(
    mut family: MetricEncoder<'_>,
    values: impl Iterator<Item = (&'static str, i64)>,
) -> fmt::Result {
    for (map, value) in values {
        let labels = [("map", map)];
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
