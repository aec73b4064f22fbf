//! Searches for messages that break a promise of the DNS server.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sheave_fuzz::dns::run(data));
