//! A day at the control room, over ssh.

use anyhow::{Result, ensure};
use cloud_code_tests::cluster::asked_until;
use cloud_code_tests::sample;
use libtest_mimic::Trial;

use crate::desk::Desk;
use crate::over_ssh;
use crate::wire::only_allowed;

/// Sizes that screens are made for.
const SIZES: [(u16, u16); 2] = [(80, 24), (160, 50)];

/// A task that becomes a pull request at once.
const EASY: &str = "```script\nwrite hello.txt hello\ncommit Say hello\n```";

/// A task that asks for a credential.
const ASKS: &str =
    "```script\nrequest npm_token publish To publish\nwrite a.txt a\ncommit Publish it\n```";

/// What may never be seen.
const CANARY: &str = "npm_canary_0123456789abcdef";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        over_ssh("both_sizes_show_the_fleet_over_ssh", fleet),
        over_ssh("every_screen_opens_and_says_where_it_is", screens),
        over_ssh(
            "a_task_typed_over_ssh_arrives_and_is_merged_by_its_number",
            typed,
        ),
        over_ssh("a_request_is_approved_by_a_key_after_it_was_seen", approved),
        over_ssh("a_denial_takes_its_note_to_the_agent", denied),
        over_ssh(
            "a_killed_daemon_is_found_again_and_nothing_typed_is_lost",
            killed,
        ),
        over_ssh("opened_before_its_daemon_it_waits_for_it", no_daemon),
        over_ssh("where_nothing_changes_not_a_byte_is_written", idle),
        over_ssh("a_terminal_of_any_size_is_drawn_for", resized),
    ]
}

async fn fleet(desk: &mut Desk) -> Result<()> {
    let task = desk.task("Say hello", EASY).await?;
    desk.cluster.task_in(&task, "review").await?;
    for size in SIZES {
        for (way, command) in [("remote", desk.remote()), ("through", desk.through_ssh())] {
            let name = format!("{way}{}", size.0);
            let terminal = desk.tmux()?.open(&name, size, &command).await?;
            let text = terminal.shows("backend-2").await?;
            ensure!(
                text.contains("live") && text.contains("[1 Fleet]"),
                "{text}"
            );
            ensure!(text.contains("? help"), "{text}");
            let widest = text.lines().map(|line| line.chars().count()).max();
            ensure!(widest <= Some(usize::from(size.0)), "{text}");
            only_allowed(&terminal.wire())?;
        }
    }
    Ok(())
}

async fn screens(desk: &mut Desk) -> Result<()> {
    let task = desk.task("Say hello", EASY).await?;
    desk.cluster.task_in(&task, "review").await?;
    let terminal = desk.tmux()?.open("t", SIZES[0], &desk.remote()).await?;
    terminal.shows("live").await?;
    for (key, shown) in [
        ("2", "Say hello"),
        ("3", "CHANGED"),
        ("4", "Nothing was spent."),
        ("5", "Nothing waits for your answer."),
        ("6", "pull request"),
        ("?", "EVERYWHERE"),
    ] {
        terminal.press(&[key]).await?;
        terminal.shows(shown).await?;
    }
    terminal.press(&["Escape", "2", "Enter"]).await?;
    terminal.shows("TIMELINE").await?;
    terminal.press(&["d"]).await?;
    terminal.shows("+hello").await?;
    terminal.press(&["L"]).await?;
    terminal.shows("the turn ended").await?;
    terminal.press(&["/"]).await?;
    terminal.write("commit").await?;
    terminal.press(&["Enter"]).await?;
    terminal.shows("n hit").await?;
    only_allowed(&terminal.wire())
}

#[expect(
    clippy::cognitive_complexity,
    reason = "one walk through the screens, key by key"
)]
async fn typed(desk: &mut Desk) -> Result<()> {
    let terminal = desk.tmux()?.open("t", SIZES[0], &desk.remote()).await?;
    terminal.shows("live").await?;
    terminal.press(&["2", "n"]).await?;
    terminal.shows("New task").await?;
    terminal.write("Grüße an alle").await?;
    terminal.press(&["Tab"]).await?;
    terminal.write("```script").await?;
    for line in ["write gruss.txt hallo", "commit Greet", "```"] {
        terminal.press(&["Enter"]).await?;
        terminal.write(line).await?;
    }
    terminal.shows("commit Greet").await?;
    terminal.press(&["C-d"]).await?;
    let task = desk.titled("Grüße an alle").await?;
    desk.cluster.task_in(&task.id, "review").await?;
    terminal
        .until("the task in review", |text| {
            text.lines()
                .any(|line| line.contains("review") && line.contains("Grüße an alle"))
        })
        .await?;
    terminal.press(&["g", "g", "M"]).await?;
    let asked = terminal.shows("type ").await?;
    ensure!(asked.contains("merge"), "{asked}");
    let request = desk.titled("Grüße an alle").await?.pull_request;
    let number = request
        .and_then(|request| request.number)
        .unwrap_or_default();
    terminal.write(&format!("#{number}")).await?;
    terminal.press(&["Enter"]).await?;
    desk.cluster.task_in(&task.id, "completed").await?;
    let repository = desk.cluster.root().join("sample.git");
    let files = sample::git(&repository, &["ls-tree", "-r", "--name-only", "main"])?;
    ensure!(files.contains("gruss.txt"), "{files}");
    only_allowed(&terminal.wire())
}

async fn approved(desk: &mut Desk) -> Result<()> {
    let operator = desk.cluster.operator()?;
    operator
        .set_secret("npm_token", "publish", "sample", CANARY)
        .await?;
    let task = desk.task("Publish it", ASKS).await?;
    desk.cluster.task_blocked(&task, "needs_credential").await?;
    let terminal = desk.tmux()?.open("t", SIZES[0], &desk.remote()).await?;
    terminal.shows("waits for you").await?;
    terminal.press(&["5"]).await?;
    terminal.shows("j selects a request").await?;
    // A key that comes with the request, before anybody can have read it, answers nothing.
    terminal.press(&["j", "a"]).await?;
    terminal.shows("read the request first").await?;
    terminal
        .shows("wants      npm_token, scope publish")
        .await?;
    // A key is named once it answers.
    terminal.shows(" a approve").await?;
    terminal.press(&["a"]).await?;
    terminal.shows("y = grant").await?;
    terminal.press(&["y"]).await?;
    desk.cluster.task_in(&task, "review").await?;
    terminal.shows("Nothing waits for your answer.").await?;
    let wire = terminal.wire();
    ensure!(
        !String::from_utf8_lossy(&wire).contains(CANARY),
        "the secret was shown"
    );
    only_allowed(&wire)
}

async fn denied(desk: &mut Desk) -> Result<()> {
    let task = desk.task("Publish it", ASKS).await?;
    desk.cluster.task_blocked(&task, "needs_credential").await?;
    let terminal = desk.tmux()?.open("t", SIZES[1], &desk.remote()).await?;
    terminal.shows("waits for you").await?;
    terminal.press(&["5", "j"]).await?;
    terminal
        .shows("wants      npm_token, scope publish")
        .await?;
    terminal.shows("D deny").await?;
    terminal.press(&["D"]).await?;
    terminal.shows("note for the agent").await?;
    terminal.write("not before the release").await?;
    terminal.press(&["C-d"]).await?;
    terminal.shows("Nothing waits for your answer.").await?;
    desk.cluster.task_in(&task, "review").await?;
    let detail = desk.cluster.operator()?.task(&task).await?;
    let told = detail
        .conversation
        .iter()
        .any(|entry| entry.delivered && entry.text.contains("not before the release"));
    ensure!(told, "the agent was told {:?}", detail.conversation);
    only_allowed(&terminal.wire())
}

async fn killed(desk: &mut Desk) -> Result<()> {
    let terminal = desk.tmux()?.open("t", SIZES[0], &desk.remote()).await?;
    terminal.shows("live").await?;
    terminal.press(&["n"]).await?;
    terminal.shows("New task").await?;
    terminal.write("Written before").await?;
    desk.cluster.kill_orchestratord()?;
    terminal.until("that it tries again", retries).await?;
    terminal.write(" and while it was away").await?;
    terminal.press(&["C-d"]).await?;
    terminal.shows("not connected: nothing was sent").await?;
    desk.cluster.restart().await?;
    terminal
        .until("a live link", |text| header(text).contains("live"))
        .await?;
    terminal
        .shows("Written before and while it was away")
        .await?;
    terminal.press(&["C-d"]).await?;
    desk.titled("Written before and while it was away").await?;
    only_allowed(&terminal.wire())
}

async fn no_daemon(desk: &mut Desk) -> Result<()> {
    desk.cluster.kill_orchestratord()?;
    let terminal = desk.tmux()?.open("t", SIZES[0], &desk.local()).await?;
    let text = terminal.shows("no link to a daemon yet").await?;
    ensure!(text.contains("orchestratord --config FILE"), "{text}");
    ensure!(retries(&text), "{text}");
    desk.cluster.restart().await?;
    terminal.shows("backend-1").await?;
    only_allowed(&terminal.wire())
}

async fn idle(desk: &mut Desk) -> Result<()> {
    let task = desk.task("Say hello", EASY).await?;
    desk.cluster.task_in(&task, "review").await?;
    let terminal = desk.tmux()?.open("t", SIZES[1], &desk.remote()).await?;
    terminal.shows("live").await?;
    terminal.press(&["6"]).await?;
    terminal.shows("pull request").await?;
    // Agents go on reporting: it is not that nothing comes in.
    heard_again(desk).await?;
    let before = terminal.wire().len();
    for _ in 0..3 {
        heard_again(desk).await?;
    }
    let written = terminal.wire().split_off(before);
    ensure!(
        written.is_empty(),
        "written: {:?}",
        String::from_utf8_lossy(&written)
    );
    Ok(())
}

async fn resized(desk: &mut Desk) -> Result<()> {
    let terminal = desk.tmux()?.open("t", SIZES[0], &desk.remote()).await?;
    terminal.shows("backend-1").await?;
    for (columns, rows, shown) in [
        (200, 60, "Needs you"),
        (60, 16, "backend-1"),
        (40, 10, "backend-1"),
        (39, 9, "too small (39x9"),
        (12, 3, "too small"),
        (160, 50, "Accounts"),
        (80, 24, "backend-1"),
    ] {
        terminal.resize(columns, rows).await?;
        let what = format!("{shown} at {columns}x{rows}");
        terminal.until(&what, |text| text.contains(shown)).await?;
    }
    only_allowed(&terminal.wire())
}

fn header(screen: &str) -> &str {
    screen.lines().next().unwrap_or_default()
}

fn retries(screen: &str) -> bool {
    ["retry", "stale"]
        .iter()
        .any(|word| header(screen).contains(word))
}

/// Waits until every agent was heard of once more.
async fn heard_again(desk: &Desk) -> Result<()> {
    let heard = async || -> Result<Vec<i64>> {
        let snapshot = desk.cluster.operator()?.snapshot().await?;
        let heard = snapshot.agents.iter();
        Ok(heard
            .map(|agent| agent.last_heard_ms.unwrap_or(0))
            .collect())
    };
    let before = heard().await?;
    asked_until("every agent is heard again", async || {
        let now = heard().await?;
        let all = now.iter().zip(&before).all(|(now, then)| now > then);
        Ok(all.then_some(()))
    })
    .await
}
