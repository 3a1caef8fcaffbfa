//! An installation whose workstations are processes.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;

use super::installation::{AGENTS, GRANTED, Installation, PROJECT, Program, SEATS};
use super::random::Random;
use crate::cluster::{Cluster, Setting, github_project};
use crate::forge::Forge;
use crate::model::ModelServer;
use crate::operator::Operator;

#[derive(Debug)]
pub(super) struct Processes {
    forge: Forge,
    pub(super) cluster: Cluster,
}

impl Processes {
    /// `account` stands in the section of the account.
    pub(super) async fn start(binary: &str, account: &str) -> Result<Self> {
        let forge = Forge::start("acme/app").await?;
        forge.person("ada", "write");
        let setting = Setting {
            agents: AGENTS.to_owned(),
            account: account.to_owned(),
            seats: SEATS,
            rest: github_project(&forge, 1, PROJECT),
            ..Setting::default()
        };
        let cluster = Cluster::start(binary, setting).await?;
        cluster.listen_to(&forge);
        let operator = cluster.operator()?;
        operator
            .set_secret("npm_token", "read", "acme/app", GRANTED)
            .await?;
        Ok(Self { forge, cluster })
    }

    /// Coding CLIs that belong to nothing any more, and more workstations than there are.
    fn surplus(&self) -> Vec<String> {
        let all = self.cluster.processes().into_iter();
        let (agents, rest): (Vec<String>, Vec<String>) = all
            .map(|(_, line)| line)
            .filter(|line| !line.contains("bin/orchestratord"))
            .partition(|line| line.contains("bin/agentd"));
        rest.into_iter()
            .chain(agents.into_iter().skip(SEATS as usize))
            .collect()
    }
}

impl Installation for Processes {
    fn forge(&self) -> &Forge {
        &self.forge
    }

    fn model(&self) -> &ModelServer {
        self.cluster.model()
    }

    fn root(&self) -> &Path {
        self.cluster.root()
    }

    fn operator(&self) -> Result<&Operator> {
        self.cluster.operator()
    }

    fn pause(&self) -> Duration {
        Duration::from_millis(900)
    }

    fn text(&self, number: usize, calls: u64) -> String {
        let mut steps =
            String::from("report progress Looking\nrequest npm_token read To install\n");
        for _ in 0..calls {
            steps.push_str("spend scripted-model 8000\nrun sleep 0.2\n");
        }
        format!(
            "Please.\n\n```script\n{steps}write file-{number}.txt {number}\nreport progress Writing\n\
             commit Write {number}\n```\n"
        )
    }

    async fn signal(&self, program: Program, signal: Signal) -> Result<usize> {
        let part = match program {
            Program::Orchestratord => "bin/orchestratord",
            Program::Agentd => "bin/agentd",
            Program::CodingCli => "bin/scripted",
        };
        Ok(self.cluster.signal_programs(part, signal))
    }

    async fn restart(&mut self) -> Result<()> {
        self.cluster.restart().await
    }

    async fn harm_workstation(
        &self,
        _random: &mut Random,
    ) -> Result<Option<(&'static str, usize)>> {
        Ok(None)
    }

    async fn has_workspace(&self, task: &str) -> Result<bool> {
        Ok(self.cluster.worktree(task).is_some())
    }

    async fn left_behind(&self) -> Result<Vec<String>> {
        Ok(self.surplus())
    }

    async fn misplaced(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn orchestratord(&self, arguments: &[&str]) -> Result<()> {
        self.cluster.orchestratord(arguments).map(drop)
    }
}
