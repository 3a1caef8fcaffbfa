//! No secret stands on a screen: not while one is typed, not after it was granted, not where an agent
//! says it.

use anyhow::{Context, Result, ensure};
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::canary::Canary;
use cloud_code_tests::cluster::PROVIDER_KEY;
use libtest_mimic::Trial;

use crate::desk::Desk;
use crate::over_ssh;
use crate::tmux::Terminal;

const GRANTED: &str = "npm_canary_grant_0123456789abcdef";

pub(crate) fn trials() -> Vec<Trial> {
    vec![over_ssh("no_secret_is_on_a_screen", on_no_screen)]
}

/// A task whose agent was given the secret and says it in every way that it has.
async fn told_on(desk: &Desk) -> Result<()> {
    let text = "Please.\n\n```script\nrequest npm_token publish To publish\n\
        run echo \"token: $NPM_TOKEN\" >&2; printenv; env | base64\nsay done\nwrite a.txt 1\ncommit A\n```\n";
    let task = desk.task("Publish", text).await?;
    desk.cluster.task_blocked(&task, "needs_credential").await?;
    let operator = desk.cluster.operator()?;
    let waiting = operator.snapshot().await?.approvals;
    let request = waiting.into_iter().find(|one| one.task == task);
    let approve = v1::Approve {
        request: request.context("nothing is asked")?.id,
        for_task: false,
    };
    operator.act(Action::Approve(approve)).await?;
    desk.cluster.task_in(&task, "review").await?;
    Ok(())
}

async fn on_no_screen(desk: &mut Desk) -> Result<()> {
    let canary = Canary::of(&[GRANTED, PROVIDER_KEY])?;
    let set = format!("{} secret set npm_token publish", desk.remote());
    let typing = desk.tmux()?.open("secret", (80, 24), &set).await?;
    typing.shows("npm_token publish:").await?;
    typing.write(GRANTED).await?;
    typing.press(&["Enter"]).await?;
    let typed = typing.shows("stored").await?;
    told_on(desk).await?;

    let room = desk.tmux()?.open("room", (160, 50), &desk.remote()).await?;
    let screens = typed + &every_screen(&room).await?;
    ensure!(!canary.is_in(screens.as_bytes()), "on a screen: {screens}");
    for wire in [typing.wire(), room.wire()] {
        ensure!(wire.len() > 20, "nothing was written");
        ensure!(!canary.is_in(&wire), "it was written to a terminal");
    }
    Ok(())
}

/// What stands on each screen, one after the other.
async fn every_screen(room: &Terminal) -> Result<String> {
    room.press(&["2"]).await?;
    let mut screens = room.shows("Publish").await?;
    for keys in [
        ["Enter"].as_slice(),
        &["d"],
        &["Tab"],
        &["Tab"],
        &["L"],
        &["4"],
        &["5"],
        &["6"],
        &["?"],
    ] {
        room.press(keys).await?;
        screens.push_str(&room.text().await?);
    }
    // Sent at once the two would be one key.
    room.press(&["Escape"]).await?;
    room.shows("q quit").await?;
    room.press(&["2"]).await?;
    screens.push_str(&room.shows("Publish").await?);
    Ok(screens)
}
