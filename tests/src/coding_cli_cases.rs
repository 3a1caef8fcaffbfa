//! What every coding CLI has to do through its adapter, against the scripted model server. Each case
//! runs the real program.

mod acp;
pub mod limit;
mod warm;
pub mod whole;

use std::path::Path;
use std::pin::Pin;

use agentd::cli::{CliEvent, ErrorKind, SessionRef};
use anyhow::{Context, Result, ensure};
use cloud_code_domain::account::{Authorisation, Provider};
use cloud_code_domain::cost::Usage;

use crate::coding_cli_run::{CliRun, CodingCli, Place, new_session, run_turn};
use crate::model::{Fault, ModelServer, Script, Step};

/// One case with one coding CLI.
#[derive(Debug, Clone)]
pub struct Case {
    /// The rule, and who has to keep it.
    pub name: String,
    cli: CodingCli,
    check: Check,
}

type Checking = Pin<Box<dyn Future<Output = Result<()>> + Send>>;
type Check = fn(CodingCli) -> Checking;

impl Case {
    /// Runs it.
    ///
    /// # Errors
    /// If the rule does not hold.
    pub async fn run(&self) -> Result<()> {
        (self.check)(self.cli.clone()).await
    }
}

/// All cases with the programs that `coding_clis/install.sh` installed in this directory.
#[must_use]
pub fn cases(directory: &Path) -> Vec<Case> {
    let claude_code = CodingCli::claude_code(directory);
    let subscribed = CodingCli {
        authorisation: Authorisation::ClaudeToken,
        ..claude_code.clone()
    };
    let codex = CodingCli::codex(directory);
    let mut cases = vec![
        Case {
            name: "claude_code_presents_a_subscription_as_such".into(),
            cli: subscribed,
            check: |cli| Box::pin(presents_a_subscription(cli)),
        },
        Case {
            name: "claude_code_keeps_a_session_that_nobody_heard_of".into(),
            cli: claude_code.clone(),
            check: |cli| Box::pin(warm::keeps_a_session_that_nobody_heard_of(cli)),
        },
    ];
    for (name, cli) in [
        ("claude_code", &claude_code),
        ("codex", &codex),
        (
            "aider_with_openai",
            &CodingCli::aider(directory, Provider::Openai),
        ),
        (
            "aider_with_anthropic",
            &CodingCli::aider(directory, Provider::Anthropic),
        ),
    ] {
        cases.extend(
            FOR_ALL
                .iter()
                .map(|(rule, check)| case(name, rule, cli, *check)),
        );
    }
    for (name, cli) in [("claude_code", &claude_code), ("codex", &codex)] {
        cases.extend(
            FOR_WARM
                .iter()
                .map(|(rule, check)| case(name, rule, cli, *check)),
        );
    }
    cases.extend(acp::cases(directory));
    cases
}

fn case(name: &str, rule: &str, cli: &CodingCli, check: Check) -> Case {
    Case {
        name: format!("{name}_{rule}"),
        cli: cli.clone(),
        check,
    }
}

const FOR_ALL: [(&str, Check); 5] = [
    ("edits_with_the_token_of_its_execution", |cli| {
        Box::pin(edits(cli))
    }),
    ("resumes_in_a_new_process", |cli| Box::pin(resumes(cli))),
    ("is_interrupted_while_the_model_is_silent", |cli| {
        Box::pin(is_interrupted_in_silence(cli))
    }),
    ("tells_why_a_call_failed_and_soon", |cli| {
        Box::pin(tells_errors(cli))
    }),
    ("gets_over_a_stream_that_breaks_off", |cli| {
        Box::pin(gets_over_a_cut(cli))
    }),
];

const FOR_WARM: [(&str, Check); 4] = [
    ("takes_the_next_prompt_in_the_same_process", |cli| {
        Box::pin(warm::takes_the_next_prompt(cli))
    }),
    ("is_steered_while_it_works", |cli| {
        Box::pin(warm::is_steered(cli))
    }),
    ("is_interrupted_while_a_command_runs_and_goes_on", |cli| {
        Box::pin(warm::is_interrupted_at_work(cli))
    }),
    ("refuses_to_resume_what_never_was", |cli| {
        Box::pin(warm::refuses_an_unknown_session(cli))
    }),
];

/// The last event has to be the end of the turn.
fn end(events: &[CliEvent]) -> Result<(bool, Option<ErrorKind>)> {
    let ends = events.iter().filter_map(|event| {
        let CliEvent::TurnEnded { ok, kind, .. } = event else {
            return None;
        };
        Some((*ok, *kind))
    });
    let ends: Vec<_> = ends.collect();
    ensure!(
        ends.len() == 1,
        "{} ends of a turn in {events:#?}",
        ends.len()
    );
    ends.first().copied().context("no end of the turn")
}

fn ended_well(events: &[CliEvent]) -> Result<()> {
    ensure!(end(events)? == (true, None), "it failed: {events:#?}");
    Ok(())
}

/// The session that was announced; it must not change.
fn session(events: &[CliEvent]) -> Result<SessionRef> {
    let mut ids = events.iter().filter_map(|event| {
        let CliEvent::Session { id, .. } = event else {
            return None;
        };
        Some(id.clone())
    });
    let id = ids.next().context("no session")?;
    ensure!(
        ids.all(|other| other == id),
        "the session changed: {events:#?}"
    );
    Ok(SessionRef::Resume { id })
}

fn says(events: &[CliEvent], words: &str) -> bool {
    events
        .iter()
        .any(|event| matches!(event, CliEvent::Message { text } if text.contains(words)))
}

async fn edits(cli: CodingCli) -> Result<()> {
    let (place, server) = (
        Place::new().await?,
        ModelServer::start(Script::edit()).await?,
    );
    let base = format!("{}/model", server.url());
    let events = run_turn(&cli, &place, &base, new_session(), "Make a greeting.").await?;
    ended_well(&events)?;
    ensure!(place.read("greeting.txt")? == "hello from the scripted model\n");
    let changed = events.iter().any(
        |event| matches!(event, CliEvent::FileChange { path } if path.ends_with("greeting.txt")),
    );
    // The scripted model has these write with their shell.
    let by_shell = matches!(cli.adapter, "qwen" | "copilot");
    ensure!(changed || by_shell, "no change of the file in {events:#?}");
    let calls = server.calls();
    ensure!(
        !calls.is_empty() && calls.len() <= 3,
        "{} calls",
        calls.len()
    );
    for call in server.requests() {
        ensure!(
            call.path.starts_with("/model/"),
            "it asked for {}",
            call.path
        );
        ensure!(call.protocol.is_none() || call.key() == "token-of-the-execution");
    }
    usage_agrees(&cli, &place, &session(&events)?, &server)
}

/// What the program wrote down about its tokens is what was counted, where it writes anything.
fn usage_agrees(
    cli: &CodingCli,
    place: &Place,
    session: &SessionRef,
    server: &ModelServer,
) -> Result<()> {
    let adapter = agentd::cli::adapter(cli.adapter).context("no such adapter")?;
    let writes = matches!(cli.adapter, "claude-code" | "codex");
    let spec = place.spec(cli, server.url(), session.clone(), "");
    let written = adapter.usage_from_files(&spec, session.id());
    let counted = server.usage().into_values().reduce(Usage::plus);
    ensure!(
        written == counted.filter(|_| writes),
        "written down: {written:?}, counted: {counted:?}"
    );
    Ok(())
}

async fn presents_a_subscription(cli: CodingCli) -> Result<()> {
    let (place, server) = (
        Place::new().await?,
        ModelServer::start(Script::text("Hm.")).await?,
    );
    let events = run_turn(&cli, &place, server.url(), new_session(), "Hello?").await?;
    ended_well(&events)?;
    for call in server.calls() {
        let header = |name: &str| call.headers.get(name).cloned().unwrap_or_default();
        ensure!(header("authorization") == "Bearer token-of-the-execution");
        ensure!(
            header("anthropic-beta").contains("oauth-"),
            "no beta of subscriptions"
        );
        ensure!(header("x-api-key").is_empty());
    }
    Ok(())
}

async fn resumes(cli: CodingCli) -> Result<()> {
    let script = Script::text("Blue, then.").on("Which one", vec![Step::says("You said blue.")]);
    let (place, server) = (Place::new().await?, ModelServer::start(script).await?);
    let prompt = "My favourite colour is blue.";
    let first = run_turn(&cli, &place, server.url(), new_session(), prompt).await?;
    ended_well(&first)?;
    let known = session(&first)?;
    place.a_minute_later()?;
    let second = run_turn(
        &cli,
        &place,
        server.url(),
        known.clone(),
        "Which one is it?",
    )
    .await?;
    ended_well(&second)?;
    ensure!(session(&second)? == known, "another session");
    let last = server.calls().pop().context("no calls")?;
    ensure!(
        last.body.to_string().contains(prompt),
        "the model does not see the first prompt"
    );
    Ok(())
}

async fn is_interrupted_in_silence(cli: CodingCli) -> Result<()> {
    let script = Script::failing(Fault::Hang);
    let (place, server) = (Place::new().await?, ModelServer::start(script).await?);
    let mut run = CliRun::start(&cli, &place, server.url(), new_session(), "Go on.").await?;
    let mut events = run
        .until(|event| matches!(event, CliEvent::Session { .. }))
        .await?;
    server.wait_for_calls(1).await;
    run.interrupt().await?;
    events.extend(run.turn().await?);
    ensure!(
        end(&events)? == (false, Some(ErrorKind::Interrupted)),
        "{events:#?}"
    );
    let (_, after) = run.finish().await?;
    ensure!(
        !after
            .iter()
            .any(|event| matches!(event, CliEvent::TurnEnded { .. }))
    );
    Ok(())
}

async fn tells_errors(cli: CodingCli) -> Result<()> {
    let money = match cli.provider {
        Provider::Anthropic => Fault::credit(),
        Provider::Openai | Provider::Google => Fault::quota(),
    };
    for (fault, kind) in [
        (Fault::status(401), ErrorKind::Auth),
        (Fault::status(403), ErrorKind::Auth),
        (Fault::rate_limited(3_600), ErrorKind::RateLimit),
        (money, ErrorKind::Quota),
        (Fault::status(400), ErrorKind::BadRequest),
        (Fault::status(404), ErrorKind::ModelNotFound),
        (Fault::context_too_long(), ErrorKind::ContextLength),
    ] {
        let script = Script::failing(fault.clone());
        let (place, server) = (Place::new().await?, ModelServer::start(script).await?);
        let run = run_turn(
            &cli,
            &place,
            server.url(),
            new_session(),
            "Make a greeting.",
        );
        let events = run.await.with_context(|| format!("{fault:?}"))?;
        ensure!(
            end(&events)? == (false, Some(kind)),
            "{fault:?}: {events:#?}"
        );
        let calls = server.calls().len();
        ensure!(calls <= 7, "{fault:?}: {calls} calls");
    }
    Ok(())
}

async fn gets_over_a_cut(cli: CodingCli) -> Result<()> {
    let script = Script::edit().first(Fault::Cut { after: 3 }, 1);
    let (place, server) = (Place::new().await?, ModelServer::start(script).await?);
    let events = run_turn(
        &cli,
        &place,
        server.url(),
        new_session(),
        "Make a greeting.",
    )
    .await?;
    ended_well(&events)?;
    ensure!(place.read("greeting.txt")?.starts_with("hello"));
    Ok(())
}
