//! `cloud-code doctor`: first what can be seen from here, then what the daemon sees.

use cloud_code_proto::v1;
use serde_json::Value;

use super::{Failure, Out, json};
use crate::link::{Connection, deepest};
use crate::safe_text::SafeText;

/// Checks everything. It fails where a check does.
pub(super) async fn run(connection: &Connection, out: Out) -> Result<(), Failure> {
    let checks = checks(connection).await;
    if out.json {
        out.value(&Value::Array(checks.iter().map(json::check).collect()))?;
    } else {
        for check in &checks {
            let sign = if check.ok { "ok  " } else { "FAIL" };
            let line = format!("{sign} {:<22} {}", check.name, check.found);
            out.line(SafeText::new(&line).as_str().trim_end())?;
            if !check.ok && !check.remedy.is_empty() {
                out.line(&format!("     fix: {}", SafeText::new(&check.remedy)))?;
            }
        }
    }
    let failed: Vec<&str> = checks
        .iter()
        .filter(|check| !check.ok)
        .map(|check| check.name.as_str())
        .collect();
    let what = match failed.len() {
        0 => return Ok(()),
        1 => "one check failed".to_owned(),
        many => format!("{many} checks failed"),
    };
    Err(Failure::new(
        &what,
        failed.join(", "),
        "do what stands under each of them, then cloud-code doctor",
    ))
}

async fn checks(connection: &Connection) -> Vec<v1::Check> {
    let here = |ok: bool, found: String, remedy: &str| v1::Check {
        name: "daemon".to_owned(),
        ok,
        found,
        remedy: remedy.to_owned(),
    };
    let mut client = match connection.connect().await {
        Ok(client) => client,
        Err(error) => {
            let found = format!("{error} ({})", deepest(&error));
            return vec![here(false, found, &error.fix())];
        }
    };
    match client.doctor(v1::DoctorRequest {}).await {
        Ok(answer) => {
            let found = format!("answers on {}", connection.name());
            let mut checks = vec![here(true, found, "")];
            checks.extend(answer.into_inner().checks);
            checks
        }
        Err(status) => {
            let found = format!("{} refused: {}", connection.name(), status.message());
            vec![here(
                false,
                found,
                "look at the daemon's log: journalctl -u orchestratord",
            )]
        }
    }
}
