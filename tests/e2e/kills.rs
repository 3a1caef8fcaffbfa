//! Whatever is killed, whenever: the task ends as it would have, and nothing is there twice.

mod backup;
mod programs;
mod random;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cloud_code_tests::cluster::{Cluster, github_project, until};
use cloud_code_tests::forge::{Fault, Forge, OWN_LOGIN};

use super::{PROGRAMS, projects, script};
use random::Random;

/// How often orchestratord is killed.
const KILLS: u32 = 6;
const LABEL: &str = "cloud-code";

#[tokio::test(flavor = "multi_thread")]
async fn orchestratord_may_be_killed_at_any_moment() -> Result<()> {
    let mut random = Random::seeded();
    let seed = random.seed();
    let told = || format!("again with CLOUD_CODE_SEED={seed}");
    killed_at_any_moment(&mut random, false)
        .await
        .with_context(told)
}

#[tokio::test(flavor = "multi_thread")]
async fn orchestratord_may_be_killed_while_github_fails_as_well() -> Result<()> {
    let mut random = Random::seeded();
    let seed = random.seed();
    let told = || format!("again with CLOUD_CODE_SEED={seed}");
    killed_at_any_moment(&mut random, true)
        .await
        .with_context(told)
}

async fn killed_at_any_moment(random: &mut Random, faults: bool) -> Result<()> {
    let forge = Forge::start("acme/app").await?;
    forge.person("ada", "write");
    if faults {
        plan(&forge);
    }
    let setting = projects(github_project(&forge, 1, ""));
    let mut cluster = Cluster::start(PROGRAMS, setting).await?;
    cluster.listen_to(&forge);
    let issues: Vec<u64> = (0..3).map(|number| file(&forge, number)).collect();
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(random.below(900))).await;
        cluster.kill_orchestratord()?;
        cluster.restart().await?;
    }
    for issue in &issues {
        let task = cluster.task_of(*issue).await?;
        cluster.task_in(&task, "review").await?;
    }
    each_is_there_once(&forge, &cluster, &issues).await?;
    each_is_merged(&forge, &cluster, &issues).await?;
    // Its events, told again, lead to the states of its records.
    let copy = cluster.root().join("saved");
    cluster.orchestratord(&["backup", &copy.to_string_lossy()])?;
    Ok(())
}

fn file(forge: &Forge, number: u64) -> u64 {
    let steps = format!(
        "report progress Looking\nwrite file-{number}.txt {number}\nreport progress Writing\ncommit Write {number}"
    );
    let body = script("Please.", &steps);
    forge.create_issue_labelled("ada", &format!("Write {number}"), &body, &[LABEL])
}

/// What GitHub does to us meanwhile.
fn plan(forge: &Forge) {
    let creating = [
        Fault::LoseAnswer,
        Fault::FailAfter(502),
        Fault::FailBefore(503),
    ];
    for fault in creating {
        forge.fault("POST", "/comments", fault, 1);
        forge.fault("POST", "/pulls", fault, 1);
    }
    forge.fault("GET", "/pulls", Fault::StaleList, 1);
    forge.fault("GET", "/comments", Fault::StaleList, 1);
    forge.fault("GET", "/issues/2", Fault::FailBefore(500), 1);
    forge.fault("GET", "/issues/1", Fault::Limited(1), 1);
    forge.fault("POST", "/git-receive-pack", Fault::LoseAnswer, 2);
    forge.fault("POST", "/graphql", Fault::FailBefore(502), 1);
}

/// The progress that the coding CLI told; agentd adds words of its own.
async fn told_by_the_cli(cluster: &Cluster, task: &str) -> Result<Vec<String>> {
    let progress = cluster.operator()?.task(task).await?.progress;
    let messages = progress.into_iter().map(|one| one.message);
    Ok(messages
        .filter(|message| ["Looking", "Waiting", "Writing"].contains(&message.as_str()))
        .collect())
}

/// One pull request, one comment, one branch for each issue, and nothing else.
async fn each_is_there_once(forge: &Forge, cluster: &Cluster, issues: &[u64]) -> Result<()> {
    let pulls = forge.pull_requests();
    ensure!(pulls.len() == issues.len(), "{pulls:#?}");
    ensure!(
        forge.branches().len() == issues.len() + 1,
        "{:?}",
        forge.branches()
    );
    for (number, issue) in issues.iter().enumerate() {
        let task = cluster.task_of(*issue).await?;
        let branch = format!("cloud-code/{issue}-{task}");
        ensure!(
            pulls.iter().any(|pull| pull.branch == branch),
            "no {branch}"
        );
        let file = forge
            .read_file(&branch, &format!("file-{number}.txt"))
            .await?;
        ensure!(file == number.to_string(), "{file}");
        let commits = forge
            .git(&["rev-list", "--count", &format!("main..{branch}")])
            .await?;
        ensure!(commits == "1", "{branch} has {commits} commits");
        let own = until("a comment that says so", || {
            let comments = forge.comments(*issue);
            let own: Vec<_> = comments
                .into_iter()
                .filter(|c| c.author == OWN_LOGIN)
                .collect();
            own.iter()
                .any(|c| c.body.contains("ready for review"))
                .then_some(own)
        })
        .await?;
        ensure!(own.len() == 1, "{own:#?}");
        let said = told_by_the_cli(cluster, &task).await?;
        ensure!(said == ["Looking", "Writing"], "{said:?}");
    }
    ensure!(forge.violations().is_empty(), "{:?}", forge.violations());
    Ok(())
}

async fn each_is_merged(forge: &Forge, cluster: &Cluster, issues: &[u64]) -> Result<()> {
    for pull in forge.pull_requests() {
        forge.merge("ada", pull.number).await?;
    }
    for issue in issues {
        let task = cluster.task_of(*issue).await?;
        cluster.task_in(&task, "completed").await?;
        until("a clean workspace", || {
            cluster.worktree(&task).is_none().then_some(())
        })
        .await?;
    }
    Ok(())
}
