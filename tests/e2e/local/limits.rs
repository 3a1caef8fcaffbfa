//! Limits of spending, and what a grant lets go on.

use anyhow::{Context, Result};
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::cluster::{PATIENCE, Setting};

use super::{Scene, ends, refusal};

/// A call comes to 2,000 tokens in, 4,000 out and $0.066.
const SPEND: &str = "spend scripted-model 4000\n";

fn dollars(task: &str, limit_micro_usd: u64) -> Action {
    Action::SetCostLimit(v1::SetCostLimit {
        task: task.to_owned(),
        limit_micro_usd,
    })
}

fn tokens(task: &str, limit_tokens: u64) -> Action {
    Action::SetTokenLimit(v1::SetTokenLimit {
        task: task.to_owned(),
        limit_tokens,
    })
}

impl Scene {
    /// A subscription pays.
    async fn subscribed(project: &str) -> Result<Self> {
        let setting = Setting {
            account: "auth = \"claude_token\"".into(),
            ..Setting::default()
        };
        Self::with(project, setting, |_| Ok(())).await
    }

    /// Waits until a task waits for the next day, or for a grant.
    async fn held_back(&self, task: &str, level: &str) -> Result<v1::Task> {
        let waits =
            |task: &v1::Task| task.state == "pending" && task.state_detail.contains("daily limit");
        let operator = self.0.operator()?;
        let task = operator
            .wait_for(task, "held back", PATIENCE, waits)
            .await?;
        assert!(task.state_detail.contains(level), "{}", task.state_detail);
        assert!(task.waits_until_ms.is_some(), "it says until when");
        Ok(task)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_subscription_a_task_stops_at_its_tokens_until_more_are_granted() -> Result<()> {
    let scene = Scene::subscribed("cost_limit_usd = 0.01\ntoken_limit = 10_000").await?;
    let steps = format!("{}write a.txt 1\ncommit A", SPEND.repeat(3));
    let task = scene.task(&steps).await?;
    let blocked = scene.0.task_blocked(&task, "cost_limit").await?;
    assert_eq!(
        blocked.state_detail,
        "the cost limit is reached: 12k of 10k tokens"
    );
    assert!(blocked.counts_tokens);
    assert_eq!(
        (blocked.tokens_counted, blocked.token_limit),
        (12_000, 10_000)
    );
    assert_eq!(blocked.notional_micro_usd, blocked.cost_micro_usd);
    assert!(blocked.cost_micro_usd > blocked.cost_limit_micro_usd);
    assert_eq!(scene.0.model().calls().len(), 2);

    let totals = scene.0.operator()?.snapshot().await?.totals;
    let totals = totals.context("no totals")?;
    assert_eq!(
        (totals.tokens_today, totals.cost_today_micro_usd),
        (12_000, 0)
    );
    assert_eq!(totals.notional_today_micro_usd, blocked.cost_micro_usd);

    let refused = refusal(scene.act(Action::Retry(task.clone())).await)?;
    assert!(refused.contains("--tokens"), "{refused}");
    let said = scene.act(dollars(&task, 100_000_000)).await?.message;
    assert!(said.contains("12k of 10k tokens"), "{said}");
    scene.0.task_blocked(&task, "cost_limit").await?;
    scene.act(tokens(&task, 500_000)).await?;
    let detail = scene.reviewed(&task).await?;
    assert_eq!(ends(&detail), ["blocked", "succeeded"]);
    // The answer that reached the limit may have come too late for the turn that was ended by it.
    let asked = scene.0.model().calls().len();
    assert!((3..=4).contains(&asked), "{asked}: no other is asked twice");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_past_its_limit_of_a_day_waits_and_a_grant_lets_one_task_go_on() -> Result<()> {
    let scene = Scene::set("daily_limit_usd = 0.1").await?;
    let steps = format!("{}write a.txt 1\ncommit A", SPEND.repeat(3));
    let first = scene.task(&steps).await?;
    scene.held_back(&first, "$0.13 of $0.10").await?;
    let second = scene.task("write b.txt 1\ncommit B").await?;
    let waiting = scene.held_back(&second, "$0.13 of $0.10").await?;
    assert_eq!(waiting.attempts, 0);
    assert!(waiting.actions.iter().any(|action| action == "grant"));

    let said = scene.act(dollars(&second, 1_000_000)).await?.message;
    assert!(said.contains("goes on"), "{said}");
    scene.reviewed(&second).await?;
    let still = scene.held_back(&first, "$0.13 of $0.10").await?;
    assert_eq!(still.attempts, 1, "it did nothing wrong");
    scene.act(dollars(&first, 1_000_000)).await?;
    scene.reviewed(&first).await?;
    assert_eq!(scene.0.model().calls().len(), 3, "nothing is asked twice");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_subscription_a_day_is_limited_in_tokens() -> Result<()> {
    let scene = Scene::subscribed("daily_limit_usd = 0.01\ndaily_token_limit = 5_000").await?;
    let first = scene
        .task(&format!("{SPEND}write a.txt 1\ncommit A"))
        .await?;
    scene.reviewed(&first).await?;
    let second = scene.task("write b.txt 1\ncommit B").await?;
    scene.held_back(&second, "6k of 5k tokens").await?;
    scene.act(tokens(&second, 100_000)).await?;
    scene.reviewed(&second).await?;
    Ok(())
}
