//! A store with many finished tasks: what it costs to start, and to go on.

use std::time::Instant;

use anyhow::{Context, Result};
use cloud_code_domain::id::TaskId;
use cloud_code_domain::task::Task;
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::cluster::{Cluster, asked_until};
use orchestratord::store::{Batch, Store, Table as Records};

use crate::latency::{by_turns, local_cluster};
use crate::table::Table;

const MANY: u64 = 100_000;
/// So many that the three highest of them do not make the figure.
const SAMPLES: usize = 300;

pub(crate) async fn finished_tasks(table: &mut Table) -> Result<()> {
    let (beside, mut cluster) = (local_cluster(1).await?, local_cluster(1).await?);
    let operator = cluster.operator()?;
    let task = operator.new_task("sample", "One", "").await?;
    operator.act(Action::Cancel(task.clone())).await?;
    cluster.task_in(&task, "cancelled").await?;
    // It is kept apart only when its agent has cleaned up after it.
    asked_until("a task that is finished with", async || {
        Ok((operator.snapshot().await?.finished_tasks > 0).then_some(()))
    })
    .await?;
    cluster.kill_orchestratord()?;
    fill(&cluster)?;
    let began = Instant::now();
    cluster.restart().await?;
    let start = format!("{:.2} s", began.elapsed().as_secs_f64());
    table.row(
        "start with 100,000 finished tasks, until an operator is answered",
        "≤ 1 s",
        start,
        "",
    );
    let (few, many) = by_turns(&beside, &cluster, SAMPLES).await?;
    let ratio = many.percentile(99).as_secs_f64() / few.percentile(99).as_secs_f64().max(1e-6);
    let beside = format!("{ratio:.2} × by turns with few tasks: {few}");
    let quantity = "local issue created → tasking.yaml, 100,000 finished tasks";
    table.row(quantity, "p99 ≤ 1.3 × that with few", many, beside);
    Ok(())
}

/// Copies of one finished task, under other ids.
fn fill(cluster: &Cluster) -> Result<()> {
    let store = Store::open(&cluster.state())?;
    let finished: Vec<Task> = store.scan(Records::Finished, "")?;
    let mut task = finished.into_iter().next().context("nothing is finished")?;
    for thousand in 0..MANY / 1_000 {
        let mut batch = Batch::default();
        for number in 0..1_000 {
            let bits = (thousand * 1_000 + number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            task.id = TaskId::from_random(bits);
            batch.put(Records::Finished, task.id.as_str(), &task);
        }
        store.commit(&batch)?;
    }
    Ok(())
}
