//! reporting.yaml, as a coding CLI leaves it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| agentd::fuzzing::reporting(data));
