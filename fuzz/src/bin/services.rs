//! Searches for a sequence of changes that breaks a promise of the plan.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sheave_fuzz::services::run(data));
