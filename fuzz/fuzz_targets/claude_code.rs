//! What the program behind `claude-code` prints.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cloud_code_fuzz::cli_events("claude-code", data));
