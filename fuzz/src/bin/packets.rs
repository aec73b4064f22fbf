//! Searches for packets that break a promise of the packet path.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sheave_fuzz::packets::run(data));
