//! Hostile `reporting.yaml`s, one after the other, while a neighbour works.

use anyhow::Result;
use cloud_code_tests::cluster::{Cluster, local_project};
use cloud_code_tests::sample;

use super::super::{PROGRAMS, projects, script};

/// Each leaves a report that must not be trusted, read whole, followed or waited for.
const VARIANTS: [&str; 9] = [
    // Larger than anything that is read.
    "head -c 30000000 /dev/zero | tr '\\0' a > $R",
    // Aliases of aliases.
    "{ echo 'a: &a [x,x,x,x,x,x,x,x,x]'; for p in ab bc cd de ef fg gh hi; do o=${p%?} n=${p#?}; echo \"$n: &$n [*$o,*$o,*$o,*$o,*$o,*$o,*$o,*$o,*$o]\"; done; } > $R",
    // Deep.
    "{ head -c 20000 /dev/zero | tr '\\0' '['; } > $R",
    // No text.
    "head -c 1000 /dev/urandom > $R",
    // Two that say they are the same.
    "printf 'version: 1\\nversion: 2\\ntasks: {}\\ntasks: []\\n' > $R",
    // Somebody else's file.
    "rm -f $R; ln -s /etc/passwd $R",
    // Nothing ever comes out of it.
    "rm -f $R; mkfifo $R",
    // A folder.
    "rm -f $R; mkdir $R",
    // Gone.
    "rmdir $R",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_report_stops_its_task_or_another_one() -> Result<()> {
    let cluster = Cluster::prepared(PROGRAMS, projects(local_project("sample", "")), |root| {
        sample::bare_repository(&root.join("sample.git"), &[("README.md", "# Sample\n")])
    })
    .await?;
    let operator = cluster.operator()?;
    let variants = VARIANTS
        .map(|variant| format!("run R=.cloud-code/reporting.yaml; {variant}\nrun sleep 0.3"));
    let steps = format!("{}\nwrite a.txt 1\ncommit A", variants.join("\n"));
    let hostile = operator
        .new_task("sample", "Hostile", &script("Please.", &steps))
        .await?;
    cluster.task_in(&hostile, "in_progress").await?;
    let steps = "report progress Working\nwrite b.txt 1\ncommit B";
    let honest = operator
        .new_task("sample", "Honest", &script("Please.", steps))
        .await?;
    cluster.task_in(&honest, "review").await?;
    cluster.task_in(&hostile, "review").await?;

    let shown = format!("{:?}", operator.task(&hostile).await?);
    assert!(!shown.contains("root:x:"), "a link was followed: {shown}");
    let agents = operator.snapshot().await?.agents;
    assert!(
        agents.iter().all(|agent| agent.state != "recreating"),
        "{agents:?}"
    );
    Ok(())
}
