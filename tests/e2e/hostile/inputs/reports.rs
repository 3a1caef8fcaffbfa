//! What an agent may leave as its report: H07 to H14.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};

/// The inputs by name, each with a word of the reason why it is not taken.
pub(super) const INPUTS: [(&str, &str); 8] = [
    ("H07", "it is not a report"),
    ("H08", "it is not a report"),
    ("H09", "it is larger than"),
    ("H10", "it is not a report"),
    ("H11", "it is not a report"),
    ("H12", "it is not a report"),
    ("H14", "UTF-8"),
    ("H14-nul", "NUL"),
];

/// Waits until the test wants it, then leaves one after the other, and after each a good one.
pub(super) fn steps(folder: &Path) -> String {
    let take = |name: &str| {
        let from = folder.join(name).display().to_string();
        format!(
            "wait-for {from}\nrun cp --sparse=always {from} .cloud-code/.new && mv .cloud-code/.new .cloud-code/reporting.yaml\n"
        )
    };
    let each = |(name, _): &(&str, _)| take(name) + &take(&format!("{name}-good"));
    INPUTS.iter().map(each).collect()
}

/// Puts a file where the agent takes it, whole.
pub(super) fn leave(folder: &Path, name: &str, content: &[u8]) -> Result<()> {
    let new = folder.join("new");
    fs::write(&new, content)?;
    fs::rename(new, folder.join(name)).context("it cannot be left")
}

/// A good report, that says after what it came.
pub(super) fn good(task: &str, after: &str) -> String {
    format!("version: 1\ntasks:\n  {task}:\n    current_step: after {after}\n")
}

/// Leaves an input.
pub(super) fn leave_input(folder: &Path, name: &str, task: &str) -> Result<()> {
    let of_task = |body: &str| format!("version: 1\ntasks:\n  {task}: {body}\n").into_bytes();
    let content = match name {
        "H07" => {
            let mut text = "version: 1\na0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
            for level in 1..10 {
                let below = vec![format!("*a{}", level - 1); 9].join(",");
                text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
            }
            text.into_bytes()
        }
        "H08" => [
            b"version: 1\ntasks: ".as_slice(),
            &b"{a: ".repeat(50_000),
            &b"}".repeat(50_000),
        ]
        .concat(),
        "H09" => {
            let new = folder.join("new");
            let file = fs::File::create(&new)?;
            file.write_all_at(b"version: 1\n#", 0)?;
            file.set_len(1 << 30)?;
            return fs::rename(new, folder.join(name)).context("it cannot be left");
        }
        "H10" => {
            let anchor = format!("version: 1\na: &a {{k: {}}}\nb: [", "v".repeat(1_000));
            [anchor.as_bytes(), &b"*a,".repeat(200_000), b"*a]\n"].concat()
        }
        "H11" => format!(
            "version: 1\ntasks:\n  {task}: {{summary: failed}}\n  {task}: {{summary: done}}\n"
        )
        .into_bytes(),
        "H12" => of_task(
            "{progress: {a: 1}, summary: [x], files_modified: [{path: [a], lines_added: 1e999}], ? [seq] : 1}",
        ),
        "H14" => {
            b"version: 1\ntasks: {}\n# \xff\xfe\xc0\x80 \xed\xa0\x80 \x1b]52;c;QQ==\x07\n".to_vec()
        }
        _ => b"version: 1\ntasks: {}\n# \0\n".to_vec(),
    };
    leave(folder, name, &content)
}
