//! The body of an issue: criteria and dependencies.

#![no_main]

use cloud_code_domain::{criteria, dependencies};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let body = cloud_code_fuzz::text(data);
    for criterion in criteria::from_markdown(&body) {
        assert!(
            !criterion.trim().is_empty() && !criterion.contains(cloud_code_fuzz::is_obeyed),
            "{criterion:?}"
        );
    }
    let issues = dependencies::from_body(&body);
    let mut once = issues.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), issues.len(), "each once: {issues:?}");
});
