//! The programs that speak the Agent Client Protocol.
//!
//! They keep most of the rules of the others. They cannot be steered; and where a provider says that
//! its limit is far away some of them wait for it in silence, which the gateway ends, not they. Gemini
//! CLI does not repeat a call whose answer broke off: its turn ends, and agentd makes the next one.

use std::path::Path;

use agentd::cli::ErrorKind;
use anyhow::{Context, Result, ensure};
use cloud_code_domain::account::Provider;

use super::{
    Case, Check, case, edits, end, ended_well, gets_over_a_cut, is_interrupted_in_silence, resumes,
    warm,
};
use crate::coding_cli_run::{CliRun, CodingCli, Place, new_session, run_turn};
use crate::model::{Fault, ModelServer, Script};

/// The cases with the programs in this directory.
pub(super) fn cases(directory: &Path) -> Vec<Case> {
    let opencode = CodingCli::opencode(directory, Provider::Openai);
    let with_anthropic = CodingCli::opencode(directory, Provider::Anthropic);
    let (qwen, copilot) = (CodingCli::qwen(directory), CodingCli::copilot(directory));
    let gemini = CodingCli::gemini(directory);
    let mut cases = vec![case(
        "opencode_with_anthropic",
        EDITS.0,
        &with_anthropic,
        EDITS.1,
    )];
    for (name, cli) in [
        ("opencode", &opencode),
        ("qwen", &qwen),
        ("copilot", &copilot),
        ("gemini", &gemini),
    ] {
        let after_a_cut = if name == "gemini" { GOES_ON } else { GETS_OVER };
        let rules = [EDITS, after_a_cut].into_iter().chain(FOR_ALL);
        cases.extend(rules.map(|(rule, check)| case(name, rule, cli, check)));
    }
    cases
}

const EDITS: (&str, Check) = ("edits_with_the_token_of_its_execution", |cli| {
    Box::pin(edits(cli))
});

const GETS_OVER: (&str, Check) = ("gets_over_a_stream_that_breaks_off", |cli| {
    Box::pin(gets_over_a_cut(cli))
});

const GOES_ON: (&str, Check) = ("goes_on_after_a_turn_whose_stream_broke_off", |cli| {
    Box::pin(goes_on_after_a_cut(cli))
});

const FOR_ALL: [(&str, Check); 6] = [
    ("resumes_in_a_new_process", |cli| Box::pin(resumes(cli))),
    ("is_interrupted_while_the_model_is_silent", |cli| {
        Box::pin(is_interrupted_in_silence(cli))
    }),
    ("says_that_its_key_is_refused_and_soon", |cli| {
        Box::pin(says_that_its_key_is_refused(cli))
    }),
    ("takes_the_next_prompt_in_the_same_process", |cli| {
        Box::pin(warm::takes_the_next_prompt(cli))
    }),
    ("is_interrupted_while_a_command_runs_and_goes_on", |cli| {
        Box::pin(warm::is_interrupted_at_work(cli))
    }),
    ("refuses_to_resume_what_never_was", |cli| {
        Box::pin(warm::refuses_an_unknown_session(cli))
    }),
];

async fn says_that_its_key_is_refused(cli: CodingCli) -> Result<()> {
    let script = Script::failing(Fault::status(401));
    let (place, server) = (Place::new().await?, ModelServer::start(script).await?);
    let run = run_turn(&cli, &place, server.url(), new_session(), "Greet.");
    let events = run.await.context("with 401")?;
    ensure!(
        end(&events)? == (false, Some(ErrorKind::Auth)),
        "{events:#?}"
    );
    let calls = server.calls().len();
    ensure!(calls <= 7, "{calls} calls");
    Ok(())
}

async fn goes_on_after_a_cut(cli: CodingCli) -> Result<()> {
    let script = Script::edit().first(Fault::Cut { after: 3 }, 1);
    let (place, server) = (Place::new().await?, ModelServer::start(script).await?);
    let prompt = "Make a greeting.";
    let mut run = CliRun::start(&cli, &place, server.url(), new_session(), prompt).await?;
    let first = run.turn().await?;
    ensure!(
        end(&first)? == (false, Some(ErrorKind::Server)),
        "{first:#?}"
    );
    run.next_turn("Go on.").await?;
    ended_well(&run.turn().await?)?;
    ensure!(place.read("greeting.txt")?.starts_with("hello"));
    run.finish().await?;
    Ok(())
}
