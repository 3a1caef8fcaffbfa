//! `cloud-code doctor`: first what can be seen from here, then what the daemon sees.
//!
//! ```text
//! ok   git                    2.47.3
//! warn repository of acme/app has files in LFS (*.png): agents find pointers in
//!                             their place
//!                             better: if tasks need them: …
//! ```

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
            for line in lines(check) {
                out.line(&line)?;
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

/// Cells that a line takes at most.
const WIDTH: usize = 80;
/// Cells of a name; a longer one has a line of its own.
const NAME: usize = 22;
/// Where what was found begins.
const TEXT: usize = NAME + 6;

fn lines(check: &v1::Check) -> Vec<String> {
    let (sign, advice) = match level(check) {
        "ok" => ("ok  ", ""),
        "warn" => ("warn", "better: "),
        _ => ("FAIL", "fix: "),
    };
    let name = SafeText::bounded(&check.name, WIDTH - 5);
    let mut texts = SafeText::new(&check.found).wrap(WIDTH - TEXT);
    if !check.remedy.is_empty() {
        let remedy = SafeText::new(&format!("{advice}{}", check.remedy));
        texts.extend(remedy.wrap(WIDTH - TEXT));
    }
    let mut lines = Vec::new();
    let mut head = format!("{sign} {name}");
    let gap = NAME.checked_sub(name.width());
    match gap {
        Some(gap) => head.push_str(&" ".repeat(gap + 1)),
        None => lines.push(std::mem::replace(&mut head, " ".repeat(TEXT))),
    }
    for text in texts {
        let line = format!("{head}{text}");
        lines.push(line.trim_end().to_owned());
        head = " ".repeat(TEXT);
    }
    lines
}

/// `fail`, or `warn` for what works and could be better, or `ok`.
pub(super) fn level(check: &v1::Check) -> &'static str {
    match (check.ok, check.remedy.is_empty()) {
        (false, _) => "fail",
        (true, false) => "warn",
        (true, true) => "ok",
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, ok: bool, found: &str, remedy: &str) -> v1::Check {
        v1::Check {
            name: name.to_owned(),
            ok,
            found: found.to_owned(),
            remedy: remedy.to_owned(),
        }
    }

    #[test]
    fn every_line_fits_into_eighty_columns_whatever_was_found() {
        let long = "a word, and another one, ".repeat(20);
        let checks = [
            check("git", true, "2.47.3", ""),
            check("image cloud-code-backend:latest", false, &long, &long),
            check(
                "repository of acme/app",
                true,
                &long,
                "日本語".repeat(40).as_str(),
            ),
            check(&"n".repeat(300), false, &"x".repeat(300), "\u{1b}[31m"),
        ];
        for line in checks.iter().flat_map(lines) {
            assert!(SafeText::new(&line).width() <= WIDTH, "{line}");
            assert!(!line.contains('\u{1b}') && !line.ends_with(' '), "{line}");
        }
    }

    #[test]
    fn names_and_findings_stand_in_columns() {
        let lines = lines(&check("git", false, "2.30.2", "install git 2.34 or newer"));
        let indent = " ".repeat(TEXT);
        assert_eq!(
            lines,
            [
                "FAIL git                    2.30.2".to_owned(),
                format!("{indent}fix: install git 2.34 or newer")
            ]
        );
        let long = super::lines(&check("image cloud-code-backend:latest", true, "there", ""));
        assert_eq!(
            long,
            [
                "ok   image cloud-code-backend:latest".to_owned(),
                format!("{indent}there")
            ]
        );
    }

    #[test]
    fn what_works_and_could_be_better_is_a_warning() {
        let warned = lines(&check("isolation", true, "process", "use docker"));
        assert!(
            warned[0].starts_with("warn isolation") && warned[1].ends_with("better: use docker")
        );
    }
}
