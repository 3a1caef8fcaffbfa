//! What a run of the kill loop cost: everything but the kills themselves has to be nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::Result;
use cloud_code_proto::v1;
use tokio::time::Instant;

use super::feed::{Feed, Filed};
use super::installation::{GRANTED, Installation};
use crate::canary::Canary;
use crate::cluster::{PROVIDER_KEY, asked_until, until};
use crate::docker_cluster;
use crate::forge::{OWN_LOGIN, TOKEN};

/// See the module.
#[derive(Debug)]
pub struct Counts {
    seed: u64,
    began: Instant,
    took: Duration,
    harms: BTreeMap<&'static str, usize>,
    stops_only: bool,
    issues: usize,
    executions: usize,
    retries: u32,
    /// What may not be, by name, with where it was seen.
    wrong: BTreeMap<&'static str, Vec<String>>,
}

/// What is counted, in the order in which it is shown.
const COUNTED: [&str; 14] = [
    "issues lost",
    "tasks doubled",
    "pull requests doubled",
    "comments doubled or lost",
    "branches doubled",
    "commits doubled or lost",
    "deltas missing",
    "deltas repeated",
    "executions that a stop cost",
    "money not counted",
    "processes left behind",
    "parts of workstations missing, doubled or left behind",
    "secrets where they do not belong",
    "requests against the forge's description",
];

impl Counts {
    /// Where there are only stops, no execution fails and none is lost.
    pub(super) fn begun(seed: u64, stops_only: bool) -> Self {
        Self {
            seed,
            stops_only,
            began: Instant::now(),
            took: Duration::ZERO,
            harms: BTreeMap::new(),
            issues: 0,
            executions: 0,
            retries: 0,
            wrong: COUNTED.into_iter().map(|name| (name, Vec::new())).collect(),
        }
    }

    pub(super) fn harmed(&mut self, what: &'static str, number: usize) {
        *self.harms.entry(what).or_default() += number;
    }

    /// Programs killed or stopped so far, and workstations.
    #[must_use]
    pub fn kills(&self) -> u32 {
        u32::try_from(self.harms.values().sum::<usize>()).unwrap_or(u32::MAX)
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
        installation: &impl Installation,
    ) -> Result<()> {
        self.took = self.began.elapsed();
        self.issues = feed.filed().len();
        self.retries = feed.retries();
        let (tasks, forge) = (
            installation.operator()?.tasks().await?,
            installation.forge(),
        );
        for filed in feed.filed() {
            self.count_issue(filed, &tasks, installation).await?;
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
        self.count_money(&tasks, installation);
        self.count_workstations(installation).await?;
        self.count_secrets(installation)?;
        // Fails where the events, told again, do not lead to what the records say.
        let copy = installation.root().join("saved");
        installation
            .orchestratord(&["backup", &copy.to_string_lossy()])
            .await
    }

    async fn count_issue(
        &mut self,
        filed: &Filed,
        tasks: &[v1::Task],
        installation: &impl Installation,
    ) -> Result<()> {
        let (issue, number) = (filed.issue, filed.number);
        let forge = installation.forge();
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
        if merged.ok().as_deref().map(str::trim_end) != Some(number.to_string().as_str()) {
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
        self.count_deltas(&task.id, installation).await
    }

    /// Each execution that began tells its two lines in order, at most once; the last one both.
    async fn count_deltas(&mut self, task: &str, installation: &impl Installation) -> Result<()> {
        let detail = installation.operator()?.task(task).await?;
        let executions = detail.executions.len();
        self.executions += executions;
        // One that waits for its credential ends blocked.
        let ended_well = |state: &str| ["succeeded", "blocked"].contains(&state);
        for execution in &detail.executions {
            if self.stops_only && !ended_well(&execution.state) {
                self.wrong("executions that a stop cost", format!("{execution:?}"));
            }
        }
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
    fn count_money(&mut self, tasks: &[v1::Task], installation: &impl Installation) {
        let ours: u64 = tasks.iter().map(|task| task.cost_micro_usd).sum();
        let usage = installation.model().usage();
        let theirs: u64 = usage
            .values()
            .map(|usage| 3 * usage.input + 15 * usage.output)
            .sum();
        if ours < theirs {
            let seen = format!("{theirs} µ$ were spent, {ours} µ$ counted");
            self.wrong("money not counted", seen);
        }
    }

    async fn count_workstations(&mut self, installation: &impl Installation) -> Result<()> {
        let quiet = asked_until("nothing but the workstations", async || {
            let wrong =
                installation.left_behind().await?.len() + installation.misplaced().await?.len();
            Ok((wrong == 0).then_some(()))
        });
        if quiet.await.is_err() {
            for process in installation.left_behind().await? {
                self.wrong("processes left behind", process);
            }
            for part in installation.misplaced().await? {
                self.wrong(
                    "parts of workstations missing, doubled or left behind",
                    part,
                );
            }
        }
        Ok(())
    }

    fn count_secrets(&mut self, installation: &impl Installation) -> Result<()> {
        let provider = [PROVIDER_KEY, docker_cluster::PROVIDER_KEY];
        let canary = Canary::of(&[provider[0], provider[1], TOKEN, GRANTED])?;
        let mut found = canary.files_below(&installation.root().join("state"));
        let said = std::fs::read(installation.root().join("orchestratord.out"))?;
        if canary.is_in(&said) {
            found.push("what it said".to_owned());
        }
        for file in found {
            self.wrong("secrets where they do not belong", file);
        }
        Ok(())
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {} s", self.seed, self.took.as_secs())?;
        let victims: Vec<String> = self
            .harms
            .iter()
            .map(|(victim, number)| format!("{number} {victim}"))
            .collect();
        writeln!(
            f,
            "{:>6}  kills and stops: {}",
            self.kills(),
            victims.join(", ")
        )?;
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
