//! Differences, for the operator's eyes. Only of what passed the gate: a tree bomb of 841 bytes kept
//! git's own diff busy for good, so both time and bytes are bounded here too.

use std::time::Duration;

use cloud_code_domain::id::Oid;

use super::git::{Call, GitError};
use super::{Mirror, MirrorError};

const DEADLINE: Duration = Duration::from_secs(20);

/// How much a change changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiffStat {
    /// Files.
    pub files: u64,
    /// Lines added.
    pub added: u64,
    /// Lines removed.
    pub removed: u64,
}

impl Mirror {
    /// What `head` changes since it left `base`, as unified diff text, and whether it was cut at
    /// `max_bytes`. The text is the agent's: hostile, not for a terminal as it is.
    ///
    /// # Errors
    /// Where the mirror lacks a commit or git cannot answer in time.
    pub async fn diff(
        &self,
        base: &Oid,
        head: &Oid,
        max_bytes: usize,
    ) -> Result<(String, bool), MirrorError> {
        let call = self.diff_call(base, head, "--patch").await?;
        let output = self.git.run(call.max_output(max_bytes)).await?;
        if output.code != 0 && !output.cut {
            return Err(failed(output.code, output.stderr).into());
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok((text, output.cut))
    }

    /// How much `head` changes since it left `base`.
    ///
    /// # Errors
    /// As [`Mirror::diff`].
    pub async fn diff_stat(&self, base: &Oid, head: &Oid) -> Result<DiffStat, MirrorError> {
        let call = self.diff_call(base, head, "--shortstat").await?;
        let text = self.git.must(call).await?;
        Ok(short_stat(&String::from_utf8_lossy(&text)))
    }

    async fn diff_call<'a>(
        &'a self,
        base: &Oid,
        head: &Oid,
        form: &str,
    ) -> Result<Call<'a>, MirrorError> {
        let from = self.merge_base(base, head).await?;
        let from = from.ok_or_else(|| MirrorError::Lacks(base.clone()))?;
        let args = [
            "diff-tree",
            "-r",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--no-renames",
            form,
            "--end-of-options",
            from.as_str(),
            head.as_str(),
        ];
        let call = Call::new(&self.path, args).deadline(DEADLINE);
        Ok(call.config("core.bigFileThreshold", "2m"))
    }
}

fn failed(code: i32, stderr: String) -> GitError {
    GitError::Failed {
        command: "diff-tree".to_owned(),
        code,
        stderr,
    }
}

/// Reads ` 3 files changed, 10 insertions(+), 2 deletions(-)`.
fn short_stat(text: &str) -> DiffStat {
    let mut stat = DiffStat::default();
    for part in text.split(',') {
        let mut words = part.split_whitespace();
        let number = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        match words.next().unwrap_or_default() {
            word if word.starts_with("file") => stat.files = number,
            word if word.starts_with("insertion") => stat.added = number,
            word if word.starts_with("deletion") => stat.removed = number,
            _ => {}
        }
    }
    stat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_stat_is_read_in_each_of_its_forms() {
        let stat = |text| {
            let DiffStat {
                files,
                added,
                removed,
            } = short_stat(text);
            (files, added, removed)
        };
        assert_eq!(
            stat(" 3 files changed, 10 insertions(+), 2 deletions(-)\n"),
            (3, 10, 2)
        );
        assert_eq!(stat(" 1 file changed, 1 deletion(-)\n"), (1, 0, 1));
        assert_eq!(stat(""), (0, 0, 0));
    }
}
