//! Merges made in the mirror, without a work tree. Merge drivers are configuration, and the mirror's
//! is ours, so none of a repository's runs.

use cloud_code_domain::id::Oid;

use crate::config::GitConfig;

use super::git::{Call, GitError, Input};
use super::{Mirror, MirrorError};

/// How a merge went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// The commit to move the branch to: the other head itself, or a merge commit.
    Clean(Oid),
    /// It needs a person; these files.
    Conflicts(Vec<String>),
}

impl Mirror {
    /// Merges `theirs` into `ours`: a fast-forward where that is one, else a merge commit in the
    /// host's name. The same two heads give the same commit.
    ///
    /// # Errors
    /// Where git cannot answer.
    pub async fn merge_heads(
        &self,
        ours: &Oid,
        theirs: &Oid,
        message: &str,
        identity: &GitConfig,
    ) -> Result<Merged, MirrorError> {
        if self.is_ancestor(ours, theirs).await? {
            return Ok(Merged::Clean(theirs.clone()));
        }
        let args = ["merge-tree", "--write-tree", "--name-only", "--no-messages"];
        let args = args.iter().copied().chain([ours.as_str(), theirs.as_str()]);
        let output = self.git.run(Call::new(&self.path, args)).await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines();
        let tree = lines.next().and_then(|line| line.parse::<Oid>().ok());
        match (output.code, tree) {
            (0, Some(tree)) => {
                let commit = self
                    .merge_commit(&tree, [ours, theirs], message, identity)
                    .await?;
                Ok(Merged::Clean(commit))
            }
            (1, Some(_)) => Ok(Merged::Conflicts(
                lines
                    .take(20)
                    .map(|line| line.chars().take(200).collect())
                    .collect(),
            )),
            (code, _) => Err(MirrorError::Git(GitError::Failed {
                command: "merge-tree".to_owned(),
                code,
                stderr: output.stderr,
            })),
        }
    }

    async fn merge_commit(
        &self,
        tree: &Oid,
        parents: [&Oid; 2],
        message: &str,
        identity: &GitConfig,
    ) -> Result<Oid, MirrorError> {
        let [ours, theirs] = parents;
        let at = self
            .committed(ours)
            .await?
            .max(self.committed(theirs).await?);
        let who = format!("{} <{}> {at} +0000", identity.name, identity.email);
        let text = format!(
            "tree {tree}\nparent {ours}\nparent {theirs}\nauthor {who}\ncommitter {who}\n\n{message}\n"
        );
        let args = ["hash-object", "-t", "commit", "-w", "--stdin"];
        let call = Call::new(&self.path, args).input(Input::Bytes(text.into_bytes()));
        let answer = String::from_utf8_lossy(&self.git.must(call).await?)
            .trim()
            .to_owned();
        answer.parse().map_err(|_| {
            MirrorError::Git(GitError::Nonsense {
                command: "hash-object".to_owned(),
                what: answer.chars().take(80).collect(),
            })
        })
    }

    /// When a commit was made, in seconds since 1970.
    async fn committed(&self, commit: &Oid) -> Result<i64, MirrorError> {
        let args = [
            "rev-list",
            "--no-walk",
            "--no-commit-header",
            "--format=%ct",
            commit.as_str(),
        ];
        let answer = self.git.must(Call::new(&self.path, args)).await?;
        Ok(String::from_utf8_lossy(&answer).trim().parse().unwrap_or(0))
    }
}
