//! The first look at a pack that an agent sent.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| orchestratord::fuzzing::pack(data));
