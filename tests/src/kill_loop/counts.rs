//! What a run of the kill loop cost: everything but the kills themselves has to be nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::Result;
use cloud_code_proto::v1;
use tokio::time::Instant;

use super::feed::{Feed, Filed};
use crate::canary::Canary;
use crate::cluster::{Cluster, PROVIDER_KEY, until};
use crate::forge::{Forge, OWN_LOGIN, TOKEN};

/// Workstations of the installation.
const SEATS: usize = 2;

/// See the module.
#[derive(Debug)]
pub struct Counts {
    seed: u64,
    began: Instant,
    took: Duration,
    kills: BTreeMap<&'static str, usize>,
    issues: usize,
    executions: usize,
    retries: u32,
    /// What may not be, by name, with where it was seen.
    wrong: BTreeMap<&'static str, Vec<String>>,
}

/// What is counted, in the order in which it is shown.
const COUNTED: [&str; 12] = [
    "issues lost",
    "tasks doubled",
    "pull requests doubled",
    "comments doubled or lost",
    "branches doubled",
    "commits doubled or lost",
    "deltas missing",
    "deltas repeated",
    "money not counted",
    "processes left behind",
    "secrets where they do not belong",
    "requests against the forge's description",
];

impl Counts {
    pub(super) fn begun(seed: u64) -> Self {
        Self {
            seed,
            began: Instant::now(),
            took: Duration::ZERO,
            kills: BTreeMap::new(),
            issues: 0,
            executions: 0,
            retries: 0,
            wrong: COUNTED.into_iter().map(|name| (name, Vec::new())).collect(),
        }
    }

    pub(super) fn killed(&mut self, victim: &'static str, number: usize) {
        *self.kills.entry(victim).or_default() += number;
    }

    /// Programs killed so far.
    #[must_use]
    pub fn kills(&self) -> u32 {
        u32::try_from(self.kills.values().sum::<usize>()).unwrap_or(u32::MAX)
    }

    /// Whether nothing was lost, and nothing is there twice.
    #[must_use]
    pub fn are_clean(&self) -> bool {
        self.issues > 0 && self.wrong.values().all(Vec::is_empty)
    }

    fn wrong(&mut self, what: &'static str, seen: impl Into<String>) {
        self.wrong.entry(what).or_default().push(seen.into());
    }

    /// Counts when all is quiet.
    pub(super) async fn count(
        &mut self,
        feed: &Feed,
        forge: &Forge,
        cluster: &Cluster,
    ) -> Result<()> {
        self.took = self.began.elapsed();
        self.issues = feed.filed().len();
        self.retries = feed.retries();
        let tasks = cluster.operator()?.tasks().await?;
        for filed in feed.filed() {
            self.count_issue(filed, &tasks, forge, cluster).await?;
        }
        if tasks.len() > self.issues {
            self.wrong("tasks doubled", format!("{} tasks", tasks.len()));
        }
        let (pulls, branches) = (forge.pull_requests().len(), forge.branches().len());
        if pulls > self.issues {
            self.wrong("pull requests doubled", format!("{pulls} pull requests"));
        }
        if branches > self.issues + 1 {
            self.wrong("branches doubled", format!("{branches} branches"));
        }
        for violation in forge.violations() {
            self.wrong("requests against the forge's description", violation);
        }
        self.count_money(&tasks, cluster);
        self.count_processes(cluster).await;
        self.count_secrets(cluster)?;
        // Fails where the events, told again, do not lead to what the records say.
        let copy = cluster.root().join("saved");
        cluster.orchestratord(&["backup", &copy.to_string_lossy()])?;
        Ok(())
    }

    async fn count_issue(
        &mut self,
        filed: &Filed,
        tasks: &[v1::Task],
        forge: &Forge,
        cluster: &Cluster,
    ) -> Result<()> {
        let (issue, number) = (filed.issue, filed.number);
        let seen = format!("issue #{issue}");
        let of_issue: Vec<&v1::Task> = tasks
            .iter()
            .filter(|task| task.issue_number == Some(issue))
            .collect();
        let [task] = of_issue.as_slice() else {
            let what = if of_issue.is_empty() {
                "issues lost"
            } else {
                "tasks doubled"
            };
            self.wrong(what, seen);
            return Ok(());
        };
        let file = format!("file-{number}.txt");
        let merged = forge.read_file("main", &file).await;
        if merged.ok().as_deref() != Some(number.to_string().as_str()) {
            self.wrong("issues lost", format!("{seen}: main has no {file}"));
        }
        let touching = forge
            .git(&["rev-list", "--count", "--no-merges", "main", "--", &file])
            .await?;
        if touching != "1" {
            self.wrong("commits doubled or lost", format!("{seen}: {touching}"));
        }
        let own = || {
            let comments = forge.comments(issue);
            let own = comments.iter().filter(|one| one.author == OWN_LOGIN);
            own.count()
        };
        // It may have waited for GitHub last.
        let _there = until("a comment", || (own() > 0).then_some(())).await;
        let own = own();
        if own != 1 {
            self.wrong("comments doubled or lost", format!("{seen}: {own}"));
        }
        self.count_deltas(&task.id, cluster).await
    }

    /// Each execution that began tells its two lines in order, at most once; the last one both.
    async fn count_deltas(&mut self, task: &str, cluster: &Cluster) -> Result<()> {
        let detail = cluster.operator()?.task(task).await?;
        let executions = detail.executions.len();
        self.executions += executions;
        let told: Vec<&str> = detail
            .progress
            .iter()
            .map(|one| one.message.as_str())
            .filter(|message| ["Looking", "Writing"].contains(message))
            .collect();
        for line in ["Looking", "Writing"] {
            let times = told.iter().filter(|one| **one == line).count();
            if times == 0 {
                self.wrong("deltas missing", format!("{task}: {told:?}"));
            }
            if times > executions {
                let seen = format!("{task}: {told:?} in {executions} executions");
                self.wrong("deltas repeated", seen);
            }
        }
        Ok(())
    }

    /// What we counted may be more than the provider did, where an answer was cut, and never less.
    fn count_money(&mut self, tasks: &[v1::Task], cluster: &Cluster) {
        let ours: u64 = tasks.iter().map(|task| task.cost_micro_usd).sum();
        let usage = cluster.model().usage();
        let theirs: u64 = usage
            .values()
            .map(|usage| 3 * usage.input + 15 * usage.output)
            .sum();
        if ours < theirs {
            let seen = format!("{theirs} µ$ were spent, {ours} µ$ counted");
            self.wrong("money not counted", seen);
        }
    }

    async fn count_processes(&mut self, cluster: &Cluster) {
        let quiet = until("nothing but the workstations", || {
            left_behind(cluster).is_empty().then_some(())
        });
        if quiet.await.is_err() {
            for process in left_behind(cluster) {
                self.wrong("processes left behind", process);
            }
        }
    }

    fn count_secrets(&mut self, cluster: &Cluster) -> Result<()> {
        let canary = Canary::of(&[PROVIDER_KEY, TOKEN, super::GRANTED])?;
        let mut found = canary.files_below(&cluster.state());
        if canary.is_in(cluster.said().as_bytes()) {
            found.push("what it said".to_owned());
        }
        for file in found {
            self.wrong("secrets where they do not belong", file);
        }
        Ok(())
    }
}

/// Processes that belong to nothing any more: coding CLIs, and more workstations than there are.
fn left_behind(cluster: &Cluster) -> Vec<String> {
    let all: Vec<String> = cluster
        .processes()
        .into_iter()
        .map(|(_, line)| line)
        .collect();
    let (agents, rest): (Vec<String>, Vec<String>) = all
        .into_iter()
        .filter(|line| !line.contains("bin/orchestratord"))
        .partition(|line| line.contains("bin/agentd"));
    rest.into_iter()
        .chain(agents.into_iter().skip(SEATS))
        .collect()
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {} s", self.seed, self.took.as_secs())?;
        let victims: Vec<String> = self
            .kills
            .iter()
            .map(|(victim, number)| format!("{number} {victim}"))
            .collect();
        writeln!(f, "{:>6}  kills: {}", self.kills(), victims.join(", "))?;
        writeln!(
            f,
            "{:>6}  issues, in {} executions",
            self.issues, self.executions
        )?;
        writeln!(f, "{:>6}  times an operator had to say again", self.retries)?;
        for name in COUNTED {
            let seen = self.wrong.get(name).map_or(&[][..], Vec::as_slice);
            writeln!(f, "{:>6}  {name}", seen.len())?;
            for one in seen.iter().take(10) {
                writeln!(f, "          {one}")?;
            }
        }
        Ok(())
    }
}
