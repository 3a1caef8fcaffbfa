//! What the program behind `codex` prints.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cloud_code_fuzz::cli_events("codex", data));
