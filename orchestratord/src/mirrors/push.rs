//! Branches out: one ref, with a lease, and what git's answer means to an outbox.

use std::time::Duration;

use cloud_code_domain::id::Oid;

use super::branch::BranchName;
use super::git::{Call, GitError, Output};
use super::remote::{Remote, later, refused};
use super::{LONG, Mirror, QUICK};
use crate::failpoint::failpoint;
use crate::ports::{GitAccess, Trouble};

/// What a receiving side says that does not move a branch under somebody's work tree.
pub(crate) const CHECKED_OUT: &str = "branch is currently checked out";

/// Between two looks whether a push that takes its time has arrived.
const LOOK: Duration = Duration::from_secs(15);

/// How a push ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// The branch was moved to the head.
    Pushed,
    /// The branch was at the head already: an earlier call did it.
    AlreadyThere,
    /// The branch is not where it was expected; nothing was replaced.
    Conflict {
        /// Where it is; none: it does not exist.
        found: Option<Oid>,
    },
}

impl Mirror {
    /// Moves one branch of the remote to `head`, if it is at `expected` (none: does not exist).
    /// Names nothing else, replaces nothing else.
    ///
    /// # Errors
    /// `Refused` where the remote's rules forbid it, `Later` where it certainly had no effect,
    /// `Unknown` where the answer was lost.
    pub(crate) async fn push_ref(
        &self,
        access: &GitAccess,
        branch: &BranchName,
        head: &Oid,
        expected: Option<&Oid>,
    ) -> Result<Pushed, Trouble> {
        let remote = Remote::parse(access).map_err(refused)?;
        let found = self.remote_head(access, branch).await?;
        if found.as_ref() == Some(head) {
            return Ok(Pushed::AlreadyThere);
        }
        if found.as_ref() != expected {
            return Ok(Pushed::Conflict { found });
        }
        let full = branch.full_ref();
        let mut args: Vec<String> = ["push", "--porcelain", "--no-verify", "--no-signed"]
            .map(str::to_owned)
            .to_vec();
        args.push("--no-recurse-submodules".to_owned());
        let lease = expected.map(Oid::as_str).unwrap_or_default();
        args.push(format!("--force-with-lease={full}:{lease}"));
        args.extend(remote.received_by());
        args.extend(["--end-of-options".to_owned(), remote.url().to_owned()]);
        args.push(format!("{head}:{full}"));
        let call = Call::new(&self.path, &args).remote(&remote).deadline(LONG);
        failpoint!("git::push_before");
        let pushed = tokio::select! {
            pushed = self.git.run(call) => pushed,
            () = self.arrives(access, branch, head) => {
                tracing::warn!(%branch, "git waits for more of an answer that was cut off");
                return Ok(Pushed::Pushed);
            }
        };
        failpoint!("git::push_after");
        match pushed {
            Ok(output) if output.code == 0 => Ok(Pushed::Pushed),
            Ok(output) => {
                let moved = (head, expected);
                self.after_failed_push(access, branch, moved, &output).await
            }
            Err(error @ GitError::Spawn { .. }) => Err(later(error)),
            Err(error) => Err(Trouble::Unknown {
                what: error.to_string(),
            }),
        }
    }

    /// Ends when the remote has the head. A git whose answer was cut off in the middle waits for the rest
    /// of it, and nothing comes.
    async fn arrives(&self, access: &GitAccess, branch: &BranchName, head: &Oid) {
        loop {
            tokio::time::sleep(LOOK).await;
            // One that cannot be asked now is asked again.
            let found = self.remote_head(access, branch).await;
            if found.is_ok_and(|found| found.as_ref() == Some(head)) {
                return;
            }
        }
    }

    /// Whether the remote would let us push this branch, which should not exist. Asks as if to remove
    /// it, which needs no object, and stops before anything is sent.
    ///
    /// # Errors
    /// Why not.
    pub async fn may_push(&self, access: &GitAccess, branch: &BranchName) -> Result<(), Trouble> {
        let remote = Remote::parse(access).map_err(refused)?;
        let mut args: Vec<String> = ["push", "--dry-run", "--porcelain", "--no-verify"]
            .map(str::to_owned)
            .to_vec();
        args.extend(["--no-signed", "--no-recurse-submodules"].map(str::to_owned));
        args.extend(remote.received_by());
        args.extend(["--end-of-options".to_owned(), remote.url().to_owned()]);
        args.push(format!(":{}", branch.full_ref()));
        let call = Call::new(&self.path, &args).remote(&remote).deadline(QUICK);
        let output = self.git.run(call).await.map_err(later)?;
        // By then the remote has opened the door that only a pusher gets through.
        if output.code == 0 || output.stderr.contains("remote ref does not exist") {
            return Ok(());
        }
        let said: String = output.stderr.trim().chars().take(1_000).collect();
        Err(refused(format!("the remote refuses it: {said}")))
    }

    async fn after_failed_push(
        &self,
        access: &GitAccess,
        branch: &BranchName,
        (head, expected): (&Oid, Option<&Oid>),
        output: &Output,
    ) -> Result<Pushed, Trouble> {
        let said = String::from_utf8_lossy(&output.stdout);
        match push_answer(&said, &output.stderr) {
            PushAnswer::Stale => match self.remote_head(access, branch).await? {
                found if found.as_ref() == Some(head) => Ok(Pushed::AlreadyThere),
                // A push of an earlier one of us, which was killed, may hold the ref's lock still.
                found if found.as_ref() == expected => {
                    Err(later("another push of the branch is under way"))
                }
                found => Ok(Pushed::Conflict { found }),
            },
            PushAnswer::Trouble(trouble) => Err(trouble),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum PushAnswer {
    /// The lease does not hold.
    Stale,
    /// Anything else.
    Trouble(Trouble),
}

/// Reads what git says of a push that failed. Pure.
fn push_answer(porcelain: &str, stderr: &str) -> PushAnswer {
    let verdict = porcelain.lines().find(|line| line.starts_with('!'));
    if let Some(line) = verdict {
        let words = line.splitn(3, '\t').nth(2).unwrap_or(line);
        let stale = [
            "stale info",
            "fetch first",
            "reference already exists",
            "failed to lock",
        ];
        if stale.iter().any(|reason| words.contains(reason))
            || words.contains("cannot lock ref")
            // Then the reason stands beside it.
            || (words.contains("failed to update ref") && stderr.contains("cannot lock ref"))
            || words.contains("non-fast-forward")
        {
            return PushAnswer::Stale;
        }
        // A server that stumbled in the middle says so in the place where others say no.
        let stumbled = [
            "[remote failure]",
            "internal server error",
            "(failure)",
            "timed out",
        ];
        let lower = words.to_ascii_lowercase();
        if stumbled.iter().any(|reason| lower.contains(reason)) {
            return PushAnswer::Trouble(Trouble::Unknown {
                what: format!("the remote gave no account of the push: {words}"),
            });
        }
        let text = format!("the remote refuses the push: {words}: {stderr}");
        return PushAnswer::Trouble(refused(text.chars().take(1_000).collect::<String>()));
    }
    let before_any_effect = [
        "Could not resolve host",
        "Failed to connect",
        "Couldn't connect",
        "Connection refused",
        "error: 401",
        "error: 403",
        "error: 404",
        "error: 429",
        "not found",
        "Authentication failed",
        "could not read Username",
        "SSL certificate problem",
    ];
    let what = format!("the push failed: {stderr}");
    PushAnswer::Trouble(if before_any_effect.iter().any(|s| stderr.contains(s)) {
        later(what)
    } else {
        Trouble::Unknown { what }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_push_says_whether_it_can_have_had_an_effect() {
        let line = |reason: &str| format!("To x\n!\ta:refs/heads/b\t[rejected] ({reason})\nDone\n");
        assert_eq!(push_answer(&line("stale info"), ""), PushAnswer::Stale);
        // As git's own receiving side says it of a push that lost against another one.
        let locked = push_answer(
            "!\ta:b\t[remote rejected] (failed to update ref)\n",
            "remote: error: cannot lock ref 'refs/heads/b': reference already exists",
        );
        assert_eq!(locked, PushAnswer::Stale);
        let hook = push_answer(
            "!\ta:b\t[remote rejected] (protected branch hook declined)\n",
            "",
        );
        assert!(matches!(hook, PushAnswer::Trouble(Trouble::Refused { .. })));
        for stumble in ["Internal Server Error", "failure"] {
            let answer = push_answer(&format!("!\ta:b\t[remote rejected] ({stumble})\n"), "");
            assert!(matches!(
                answer,
                PushAnswer::Trouble(Trouble::Unknown { .. })
            ));
        }
        let unseen = push_answer("", "fatal: repository 'https://x/a.git/' not found");
        assert!(matches!(unseen, PushAnswer::Trouble(Trouble::Later { .. })));
        let gone = push_answer("", "fatal: the remote end hung up unexpectedly");
        assert!(matches!(gone, PushAnswer::Trouble(Trouble::Unknown { .. })));
        let closed = push_answer("", "fatal: unable to access: Failed to connect to x port 1");
        assert!(matches!(closed, PushAnswer::Trouble(Trouble::Later { .. })));
    }
}
