//! What the program behind `lines` prints.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cloud_code_fuzz::cli_events("lines", data));
