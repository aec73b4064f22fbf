//! One pod, from its object to its processes: decoded once, planned purely, applied by one task.

pub(crate) mod apply;
pub(crate) mod backoff;
mod conditions;
mod container;
pub(crate) mod decode;
mod health;
pub(crate) mod observed;
pub(crate) mod plan;
pub(crate) mod previous;
pub(crate) mod progress;
mod sandbox;
pub(crate) mod spec;
pub(crate) mod status;
pub(crate) mod worker;

pub(crate) use container::log_path;
