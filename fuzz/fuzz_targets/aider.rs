//! What the program behind `aider` prints.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cloud_code_fuzz::cli_events("aider", data));
