//! Report deltas off the wire, one after the other, onto a report.

#![no_main]

use cloud_code_domain::report::{Report, ReportDelta, diff};
use cloud_code_proto::v1;
use prost::Message;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut report = Report::default();
    for part in data.split(|byte| *byte == 0xff) {
        let Ok(wire) = v1::ReportDelta::decode(part) else {
            continue;
        };
        let Ok(delta) = ReportDelta::try_from(wire) else {
            continue;
        };
        let before = report.clone();
        report.apply(delta.bounded());
        assert_eq!(
            report.clone().bounded(),
            report,
            "a report stays within its bounds"
        );
        let mut again = before.clone();
        again.apply(diff(&before, &report));
        assert_eq!(again, report, "what is different is what has to be applied");
    }
});
