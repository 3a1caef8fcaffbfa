//! Rules for coding CLIs whose process stays between turns.

use std::time::Duration;

use agentd::cli::{CliEvent, ErrorKind, SessionRef};
use anyhow::{Context, Result, ensure};

use super::{end, ended_well, says, session};
use crate::cluster::PATIENCE;
use crate::coding_cli_run::{CliRun, CodingCli, Place, new_session, run_turn};
use crate::model::{Action, Fault, ModelServer, Script, Step};

pub(super) async fn takes_the_next_prompt(cli: CodingCli) -> Result<()> {
    let again = vec![
        Step::does("Once more.", Action::write("second.txt", "again\n")),
        Step::says("Twice greeted."),
    ];
    let script = Script::edit().on("again", again);
    let (place, server) = (Place::new().await?, ModelServer::start(script).await?);
    let mut run = CliRun::start(
        &cli,
        &place,
        server.url(),
        new_session(),
        "Make a greeting.",
    )
    .await?;
    let first = run.turn().await?;
    ended_well(&first)?;
    run.next_turn("Do it again.").await?;
    let second = run.turn().await?;
    ended_well(&second)?;
    ensure!(place.read("second.txt")? == "again\n");
    ensure!(says(&second, "Twice greeted."));
    let (exit, _) = run.finish().await?;
    ensure!(exit.is_success(), "{exit:?}");
    Ok(())
}

/// A command that ends when a file appears.
fn waits_for(file: &str) -> Action {
    Action::run(&format!(
        "until test -e {file}; do sleep 0.1; done; echo seen"
    ))
}

pub(super) async fn is_steered(cli: CodingCli) -> Result<()> {
    let steered = vec![Step::says("Unused."), Step::says("Louder it is.")];
    let script = Script::playing(vec![
        Step::does("I wait.", waits_for("go")),
        Step::says("As quiet as before."),
    ])
    .on("louder", steered);
    let (place, server) = (Place::new().await?, ModelServer::start(script).await?);
    let mut run = CliRun::start(&cli, &place, server.url(), new_session(), "Begin.").await?;
    let mut events = run
        .until(|event| matches!(event, CliEvent::ToolCall { .. }))
        .await?;
    ensure!(
        run.steer("Please be louder.").await?,
        "it cannot be steered"
    );
    std::fs::write(place.worktree().join("go"), "")?;
    events.extend(run.turn().await?);
    ended_well(&events)?;
    // Where the message came too late for the running turn, it is one more turn of the same.
    let heard = server
        .calls()
        .iter()
        .any(|call| call.prompt.contains("louder"));
    ensure!(heard, "the model does not hear it");
    ensure!(
        says(&events, "Louder it is.") || says(&events, "Unused."),
        "{events:#?}"
    );
    run.finish().await?;
    Ok(())
}

pub(super) async fn is_interrupted_at_work(cli: CodingCli) -> Result<()> {
    let script = Script::playing(vec![Step::does("I wait.", waits_for("never"))])
        // Not every program tells the model that the step before was cut off.
        .on(
            "something else",
            vec![Step::says("Fine."), Step::says("Fine.")],
        );
    let (place, server) = (Place::new().await?, ModelServer::start(script).await?);
    let mut run = CliRun::start(&cli, &place, server.url(), new_session(), "Begin.").await?;
    let mut events = run
        .until(|event| matches!(event, CliEvent::ToolCall { .. }))
        .await?;
    run.interrupt().await?;
    events.extend(run.turn().await?);
    ensure!(
        end(&events)? == (false, Some(ErrorKind::Interrupted)),
        "{events:#?}"
    );
    run.next_turn("Do something else.").await?;
    let next = run.turn().await?;
    ended_well(&next)?;
    ensure!(says(&next, "Fine."), "{next:#?}");
    run.finish().await?;
    Ok(())
}

pub(super) async fn refuses_an_unknown_session(cli: CodingCli) -> Result<()> {
    let (place, server) = (
        Place::new().await?,
        ModelServer::start(Script::edit()).await?,
    );
    let unknown = SessionRef::Resume {
        id: uuid::Uuid::new_v4().to_string(),
    };
    let events = run_turn(&cli, &place, server.url(), unknown, "Go on.").await?;
    ensure!(
        end(&events)? == (false, Some(ErrorKind::Usage)),
        "{events:#?}"
    );
    ensure!(server.calls().is_empty(), "it called a model");
    Ok(())
}

/// Killed before a line of it was read: what is below HOME says that the session can be resumed.
pub(super) async fn keeps_a_session_that_nobody_heard_of(cli: CodingCli) -> Result<()> {
    let script = Script::failing(Fault::Hang);
    let (place, server) = (Place::new().await?, ModelServer::start(script).await?);
    let adapter = agentd::cli::adapter(cli.adapter).context("no such adapter")?;
    let id = uuid::Uuid::new_v4().to_string();
    let kept = || adapter.keeps_session(&place.home(), &id);
    ensure!(kept() == Some(false), "it keeps what never was");
    let prompt = "My favourite colour is blue.";
    let new = SessionRef::New { id: id.clone() };
    let run = CliRun::start(&cli, &place, server.url(), new, prompt).await?;
    server.wait_for_calls(1).await;
    // It writes a moment after it has called.
    let written = tokio::time::timeout(PATIENCE, async {
        while kept() != Some(true) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    written.await.context("the session is not written down")?;
    drop(run);

    server.play(Script::text("You said blue."));
    let known = SessionRef::Resume { id: id.clone() };
    let events = run_turn(&cli, &place, server.url(), known.clone(), "Which one?").await?;
    ended_well(&events)?;
    ensure!(session(&events)? == known, "another session");
    let last = server.calls().pop().context("no calls")?;
    let asked = last.body.to_string();
    ensure!(asked.contains(prompt), "the model does not see it: {asked}");
    Ok(())
}
