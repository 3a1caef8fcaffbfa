//! The keys that decide something, each from the terminal to what the daemon then has.

use anyhow::{Context, Result, ensure};
use cloud_code_proto::v1;
use cloud_code_tests::cluster::{PATIENCE, asked_until, github_project};
use cloud_code_tests::forge::Forge;
use libtest_mimic::Trial;

use crate::desk::Desk;
use crate::tmux::Terminal;
use crate::wire::only_allowed;
use crate::{over_ssh, over_ssh_at};

const SIZE: (u16, u16) = (80, 24);

pub(crate) fn trials() -> Vec<Trial> {
    let one_attempt = async |programs| Desk::at(Some(programs), "max_attempts = 1", "").await;
    vec![
        over_ssh("c_steers_a_running_turn_and_x_ends_a_task", steered),
        over_ssh_at(
            "m_gives_a_failed_task_to_another_agent_and_r_tries_it_again",
            one_attempt,
            given_away,
        ),
        over_ssh("b_grants_more_and_a_task_at_its_limit_goes_on", granted),
        over_ssh("p_sets_a_priority_and_u_takes_it_back", undone),
        over_ssh("h_halts_the_fleet_and_r_lets_it_go_on", halted),
        over_ssh_at(
            "a_task_for_a_github_project_is_typed_and_becomes_a_pull_request",
            with_a_forge,
            at_github,
        ),
    ]
}

/// The list of tasks, with this task selected.
async fn at_task(desk: &Desk, title: &str) -> Result<Terminal> {
    let terminal = desk.tmux()?.open("t", SIZE, &desk.remote()).await?;
    terminal.shows("live").await?;
    terminal.press(&["2", "g", "g"]).await?;
    selected(&terminal, title).await?;
    Ok(terminal)
}

async fn selected(terminal: &Terminal, title: &str) -> Result<String> {
    let is = |line: &str| line.starts_with('>') && line.contains(title);
    terminal
        .until(&format!("{title} selected"), |text| text.lines().any(is))
        .await
}

/// Waits until the daemon has a task like this.
async fn until(desk: &Desk, id: &str, what: &str, is: impl Fn(&v1::Task) -> bool) -> Result<()> {
    let operator = desk.cluster.operator()?;
    operator.wait_for(id, what, PATIENCE, is).await?;
    Ok(())
}

async fn steered(desk: &mut Desk) -> Result<()> {
    let gate = desk.cluster.root().join("go");
    let script = format!(
        "```script\nwrite a.txt 1\ncommit A\nwait-for {}\n```",
        gate.display()
    );
    let task = desk.task("Long one", &script).await?;
    desk.cluster.task_in(&task, "in_progress").await?;
    let terminal = at_task(desk, "Long one").await?;
    terminal.shows("c steer").await?;
    terminal.press(&["c"]).await?;
    terminal.shows("Message to the agent").await?;
    terminal.write("And greet Grace.").await?;
    terminal.press(&["C-d"]).await?;
    told(desk, &task, "And greet Grace.").await?;
    std::fs::write(&gate, "")?;
    desk.cluster.task_in(&task, "review").await?;
    let diff = desk.cluster.operator()?.task(&task).await?.diff;
    ensure!(diff.contains("And greet Grace."), "{diff}");
    terminal.press(&["X"]).await?;
    terminal.shows("y = end it").await?;
    terminal.press(&["y"]).await?;
    desk.cluster.task_in(&task, "cancelled").await?;
    terminal.shows("All done: 1").await?;
    only_allowed(&terminal.wire())
}

/// Waits until the daemon has this message for the agent of a task.
async fn told(desk: &Desk, task: &str, text: &str) -> Result<()> {
    let operator = desk.cluster.operator()?;
    asked_until("the message", async || {
        let detail = operator.task(task).await?;
        let told = detail.conversation.iter().any(|one| one.text == text);
        Ok(told.then_some(()))
    })
    .await
}

async fn given_away(desk: &mut Desk) -> Result<()> {
    let gate = desk.cluster.root().join("go");
    let script = format!(
        "```script\nrun test -e {}\nwrite a.txt 1\ncommit A\n```",
        gate.display()
    );
    let task = desk.task("Broken", &script).await?;
    let failed = desk.cluster.task_in(&task, "failed").await?;
    let other = if failed.agent.ends_with("-1") {
        "backend-2"
    } else {
        "backend-1"
    };
    let terminal = at_task(desk, "Broken").await?;
    terminal.shows("m reassign").await?;
    terminal.press(&["m"]).await?;
    terminal.shows("any agent").await?;
    terminal.write(other).await?;
    terminal.press(&["Enter"]).await?;
    until(desk, &task, "it is given away", |task| {
        task.agent.ends_with(other)
    })
    .await?;
    std::fs::write(&gate, "")?;
    terminal.press(&["r"]).await?;
    let reviewed = desk.cluster.task_in(&task, "review").await?;
    ensure!(reviewed.agent.ends_with(other), "{}", reviewed.agent);
    only_allowed(&terminal.wire())
}

async fn granted(desk: &mut Desk) -> Result<()> {
    let spend = "spend scripted-model 4000\n".repeat(6);
    let script = format!("```script\n{spend}write a.txt 1\ncommit A\n```");
    let task = desk.task("Dear one", &script).await?;
    desk.cluster.task_blocked(&task, "cost_limit").await?;
    let terminal = at_task(desk, "Dear one").await?;
    terminal.shows("b grant").await?;
    terminal.press(&["b"]).await?;
    terminal.shows("it may cost $").await?;
    terminal.write("10").await?;
    terminal.press(&["Enter"]).await?;
    let reviewed = desk.cluster.task_in(&task, "review").await?;
    ensure!(reviewed.cost_limit_micro_usd == 10_000_000, "{reviewed:?}");
    only_allowed(&terminal.wire())
}

async fn undone(desk: &mut Desk) -> Result<()> {
    let task = desk.task("Wait", "```script\nhang\n```").await?;
    desk.cluster.task_in(&task, "in_progress").await?;
    let terminal = at_task(desk, "Wait").await?;
    let before = desk.titled("Wait").await?.priority;
    terminal.press(&["p"]).await?;
    terminal.shows("priority: 0").await?;
    terminal.press(&["0"]).await?;
    until(desk, &task, "P0", |task| task.priority == 0).await?;
    terminal.shows("u undoes").await?;
    terminal.shows(" P0 ").await?;
    terminal.press(&["u"]).await?;
    until(desk, &task, "as before", |task| task.priority == before).await?;
    terminal
        .until("nothing more to undo", |text| !text.contains("u undoes"))
        .await?;
    only_allowed(&terminal.wire())
}

async fn halted(desk: &mut Desk) -> Result<()> {
    let terminal = desk.tmux()?.open("t", SIZE, &desk.remote()).await?;
    terminal.shows("backend-1").await?;
    terminal.press(&["H"]).await?;
    terminal.shows("halt the whole fleet").await?;
    terminal.press(&["Enter"]).await?;
    terminal.shows("y = halt").await?;
    terminal.press(&["y"]).await?;
    terminal.shows("HALTED").await?;
    let task = desk
        .task("Later", "```script\nwrite a.txt 1\ncommit A\n```")
        .await?;
    let waits = desk.cluster.operator()?.task(&task).await?.task;
    let state = waits.map(|task| task.state);
    ensure!(state.as_deref() == Some("pending"), "{state:?}");
    terminal.press(&["R"]).await?;
    terminal.shows("resume the whole fleet").await?;
    terminal.press(&["Enter"]).await?;
    terminal.shows("y = resume").await?;
    terminal.press(&["y"]).await?;
    desk.cluster.task_in(&task, "review").await?;
    terminal
        .until("a fleet at work", |text| !text.contains("HALTED"))
        .await?;
    only_allowed(&terminal.wire())
}

async fn with_a_forge(programs: crate::sshd::Programs) -> Result<Desk> {
    let forge = Forge::start("acme/app").await?;
    let mut desk = Desk::at(Some(programs), "", &github_project(&forge, 3_600, "")).await?;
    desk.forge = Some(forge);
    Ok(desk)
}

async fn at_github(desk: &mut Desk) -> Result<()> {
    let terminal = desk.tmux()?.open("t", SIZE, &desk.remote()).await?;
    terminal.shows("live").await?;
    terminal.press(&["2", "n"]).await?;
    terminal.shows("New task").await?;
    // The first project is offered; the other one is typed over it.
    terminal.press(&["BTab", "C-a", "C-k"]).await?;
    terminal.write("acme/app").await?;
    terminal.press(&["Tab"]).await?;
    terminal.write("Say hello").await?;
    terminal.press(&["Tab"]).await?;
    for line in [
        "```script",
        "write hello.txt hello",
        "commit Say hello",
        "```",
    ] {
        terminal.write(line).await?;
        terminal.press(&["Enter"]).await?;
    }
    terminal.shows("commit Say hello").await?;
    terminal.press(&["C-d"]).await?;
    let task = desk.titled("Say hello").await?;
    ensure!(task.project == "acme/app", "{}", task.project);
    desk.cluster.task_in(&task.id, "review").await?;
    terminal
        .until("the task in review, by its project", |text| {
            text.lines().any(|line| {
                line.contains("review") && line.contains("Say hello") && line.contains("acme/app")
            })
        })
        .await?;
    let forge = desk.forge.as_ref().context("a forge")?;
    let pulls = forge.pull_requests();
    ensure!(pulls.len() == 1, "{} pull requests", pulls.len());
    only_allowed(&terminal.wire())
}
