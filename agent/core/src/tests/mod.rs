//! The engine against a kernel that is watched at every single write, and against plans from scratch.

mod churn;
mod kernel;
mod objects;
mod recalled;
mod rules;
mod scale;
