//! Requests of the daemon's protocol.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| skep_fuzz::wire(data));
