//! Git's tree objects, and the names in them.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| orchestratord::fuzzing::tree(data));
