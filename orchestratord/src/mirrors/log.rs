//! Who committed what, in a few lines for people and agents.

use std::time::Duration;

use cloud_code_domain::id::Oid;
use cloud_code_domain::text::one_line;

use super::git::Call;
use super::{Mirror, MirrorError};

const DEADLINE: Duration = Duration::from_secs(20);
/// Commits that are named at most.
const COMMITS: usize = 20;

impl Mirror {
    /// The commits that `to` has and none of `without` has, the newest first: short id, author and
    /// subject, one line each, the first [`COMMITS`]. Names and subjects are whoever's: hostile, made
    /// visible and bounded.
    ///
    /// # Errors
    /// Where the mirror lacks a commit or git cannot answer in time.
    pub async fn commits(&self, to: &Oid, without: &[&Oid]) -> Result<Vec<String>, MirrorError> {
        let most = format!("--max-count={COMMITS}");
        let mut args = vec![
            "rev-list".to_owned(),
            "--no-commit-header".to_owned(),
            "--format=%h %an: %s".to_owned(),
            most,
            to.to_string(),
        ];
        args.extend(without.iter().map(|commit| format!("^{commit}")));
        let call = Call::new(&self.path, &args).deadline(DEADLINE);
        let listing = self.git.must(call).await?;
        let listing = String::from_utf8_lossy(&listing);
        Ok(listing.lines().map(|line| one_line(line, 200)).collect())
    }
}
