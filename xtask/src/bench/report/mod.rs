//! What all benches have found, in one shape.

mod figure;

pub(super) use self::figure::{Figure, Ratio};
