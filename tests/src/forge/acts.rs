//! What people do at the forge.

use anyhow::{Context, Result};

use super::state::State;
use super::{Forge, pulls};

impl Forge {
    pub(super) fn act<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let done = act(&mut self.shared.state());
        self.shared.wake();
        done
    }

    /// Makes a person, or changes their role: none, read, triage, write, maintain, admin.
    pub fn person(&self, login: &str, role: &str) -> u64 {
        self.act(|state| state.person(login, "User", role))
    }

    /// Makes a bot.
    pub fn bot(&self, login: &str, role: &str) -> u64 {
        self.act(|state| state.person(login, "Bot", role))
    }

    /// Gives the login to somebody else, with this role.
    pub fn reuse_login(&self, login: &str, role: &str) -> u64 {
        self.act(|state| {
            state.people.remove(login);
            state.person(login, "User", role)
        })
    }

    /// Opens an issue.
    pub fn create_issue(&self, by: &str, title: &str, body: &str) -> u64 {
        self.act(|state| state.create_issue(by, title, body))
    }

    /// Opens an issue and labels it.
    pub fn create_issue_labelled(&self, by: &str, title: &str, body: &str, labels: &[&str]) -> u64 {
        self.act(|state| {
            let number = state.create_issue(by, title, body);
            for label in labels {
                state.label(by, number, label);
            }
            number
        })
    }

    /// Sets a label.
    pub fn label(&self, by: &str, issue: u64, label: &str) {
        self.act(|state| state.label(by, issue, label));
    }

    /// Takes a label away.
    pub fn unlabel(&self, by: &str, issue: u64, label: &str) {
        self.act(|state| state.unlabel(by, issue, label));
    }

    /// Changes title, text or both.
    pub fn edit_issue(&self, by: &str, issue: u64, title: Option<&str>, body: Option<&str>) {
        self.act(|state| state.edit(by, issue, title, body));
    }

    /// Closes an issue, or a pull request without a merge.
    pub fn close(&self, by: &str, number: u64) {
        self.act(|state| state.set_open(by, number, false));
    }

    /// Opens it again.
    pub fn reopen(&self, by: &str, number: u64) {
        self.act(|state| state.set_open(by, number, true));
    }

    /// Says that one issue blocks another.
    pub fn block(&self, issue: u64, blocker: u64) {
        self.act(|state| {
            if let Some(issue) = state.issues.get_mut(&issue) {
                issue.blocked_by.push(blocker);
            }
        });
    }

    /// Comments on an issue or pull request; the comment's id.
    pub fn comment(&self, by: &str, number: u64, text: &str) -> u64 {
        self.act(|state| state.comment(by, number, text))
    }

    /// Changes a comment.
    pub fn edit_comment(&self, by: &str, comment: u64, text: &str) {
        self.act(|state| state.edit_comment(by, comment, text));
    }

    /// Deletes a comment.
    pub fn delete_comment(&self, comment: u64) {
        self.act(|state| state.comments.remove(&comment));
    }

    /// Reviews a pull request: `CHANGES_REQUESTED`, `COMMENTED`, `APPROVED`; lines as path, line, text.
    pub fn review(
        &self,
        by: &str,
        pull: u64,
        state: &str,
        body: &str,
        lines: &[(&str, u64, &str)],
    ) -> u64 {
        self.act(|forge| forge.review(by, pull, state, body, lines))
    }

    /// Merges a pull request in the browser.
    ///
    /// # Errors
    ///
    /// Where there is none, or it has conflicts.
    pub async fn merge(&self, by: &str, number: u64) -> Result<()> {
        let pull = {
            let state = self.shared.state();
            state
                .issues
                .get(&number)
                .and_then(|issue| issue.pull.clone())
        };
        let pull = pull.context("no such pull request")?;
        let merged = pulls::merge_now(&self.shared, by, number, &pull).await?;
        merged.context("the pull request has conflicts")?;
        self.shared.wake();
        Ok(())
    }

    /// Commits one file onto a branch and pushes it; the commit.
    ///
    /// # Errors
    ///
    /// Where git fails.
    pub async fn push_by_person(
        &self,
        by: &str,
        branch: &str,
        path: &str,
        contents: &str,
        message: &str,
    ) -> Result<String> {
        let commit = self
            .shared
            .git
            .commit(branch, path, contents, message)
            .await?;
        self.shared.refresh(by).await?;
        Ok(commit)
    }
}
