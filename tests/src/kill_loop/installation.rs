//! What the kill loop needs of an installation, whatever its workstations are.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use cloud_code_proto::v1;
use nix::sys::signal::Signal;

use super::random::Random;
use crate::cluster::PATIENCE;
use crate::forge::Forge;
use crate::model::ModelServer;
use crate::operator::Operator;

/// Workstations of an installation.
pub(super) const SEATS: u32 = 2;
/// In `[agents]`: whoever is stopped for some seconds is away for some of them.
pub(super) const AGENTS: &str = "away_seconds = 5";
/// In the project: whoever is killed all the time needs more attempts than people would give.
pub(super) const PROJECT: &str = "max_attempts = 20";
/// What every task asks for and policy grants: it may turn up nowhere.
pub(super) const GRANTED: &str = "npm_kill_loop_grant_0123456789abcdef";

/// A program that is killed or stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Orchestratord,
    Agentd,
    CodingCli,
}

impl Program {
    pub(super) const ALL: [Self; 3] = [Self::Orchestratord, Self::Agentd, Self::CodingCli];

    pub(super) fn killed(self) -> &'static str {
        match self {
            Self::Orchestratord => "orchestratord",
            Self::Agentd => "agentd",
            Self::CodingCli => "coding CLI",
        }
    }

    pub(super) fn stopped(self) -> &'static str {
        match self {
            Self::Orchestratord => "orchestratord stopped",
            Self::Agentd => "agentd stopped",
            Self::CodingCli => "coding CLI stopped",
        }
    }
}

/// See the module.
pub(super) trait Installation {
    /// The GitHub of this installation.
    fn forge(&self) -> &Forge;

    /// The model of this installation.
    fn model(&self) -> &ModelServer;

    /// Its directory: orchestratord's state and words are in it.
    fn root(&self) -> &Path;

    /// The operator of the running orchestratord.
    fn operator(&self) -> Result<&Operator>;

    /// Between two harms at most: most turns come to their end in it.
    fn pause(&self) -> Duration;

    /// The text of an issue whose pull request adds `file-NUMBER.txt`, with so many model calls.
    fn text(&self, number: usize, calls: u64) -> String;

    /// Sends a signal to a program wherever it runs; how many there were.
    async fn signal(&self, program: Program, signal: Signal) -> Result<usize>;

    /// Starts orchestratord, and waits until its operator is answered.
    async fn restart(&mut self) -> Result<()>;

    /// Does something to a workstation as a whole, where workstations are more than a program: what,
    /// and to how many.
    async fn harm_workstation(&self, random: &mut Random) -> Result<Option<(&'static str, usize)>>;

    /// Whether a task has a workspace anywhere.
    async fn has_workspace(&self, task: &str) -> Result<bool>;

    /// Programs that belong to nothing any more.
    async fn left_behind(&self) -> Result<Vec<String>>;

    /// Parts of workstations that are missing, there twice, or belong to nothing any more.
    async fn misplaced(&self) -> Result<Vec<String>>;

    /// Runs a subcommand of orchestratord on this configuration.
    async fn orchestratord(&self, arguments: &[&str]) -> Result<()>;

    /// Waits until the task is in this state.
    async fn task_in(&self, task: &str, state: &str) -> Result<()> {
        let is = |task: &v1::Task| task.state == state;
        let operator = self.operator()?;
        operator.wait_for(task, state, PATIENCE, is).await.map(drop)
    }

    /// The task of an issue; its id.
    async fn task_of(&self, issue: u64) -> Result<String> {
        let tasks = self.operator()?.tasks().await?;
        let of_issue = |task: &v1::Task| task.issue_number == Some(issue);
        let task = tasks.into_iter().find(of_issue);
        let task = task.with_context(|| format!("issue #{issue} has no task"))?;
        Ok(task.id)
    }
}
