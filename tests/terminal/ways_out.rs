//! However the control room ends, the terminal is as it was.

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use nix::sys::signal::{Signal, kill};

use crate::desk::Desk;
use crate::over_ssh;
use crate::tmux::Terminal;
use crate::wire::{colours, only_allowed};

/// What the last bytes are: drawing, attributes, cursor, pasting, screen; all as before.
const GIVEN_BACK: &[u8] = b"\x1b[?2026l\x1b[m\x1b[?25h\x1b[?2004l\x1b[?1049l";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        over_ssh("q_gives_the_terminal_back", quit),
        over_ssh("sigterm_gives_the_terminal_back", terminated),
        over_ssh("a_hang_up_of_ssh_leaves_no_client_behind", hung_up),
        over_ssh("no_color_means_no_colour_and_all_the_words", no_color),
    ]
}

/// The control room in a shell that says afterwards how the terminal is.
async fn in_a_shell(desk: &Desk, before: &str) -> Result<Terminal> {
    let client = desk.remote();
    let line = format!("{before} {client}; echo \"exit $?\"; stty -a; exec cat");
    let terminal = desk.tmux()?.open("t", (80, 24), &line).await?;
    terminal.shows("live").await?;
    Ok(terminal)
}

async fn is_given_back(terminal: &Terminal, exit: &str) -> Result<()> {
    let text = terminal.shows("icanon").await?;
    ensure!(text.contains(exit), "{text}");
    let modes: Vec<&str> = text.split_whitespace().collect();
    for mode in ["icanon", "echo", "isig", "opost"] {
        let on = modes.iter().any(|word| word.trim_end_matches(';') == mode);
        ensure!(on, "{mode} is off:\n{text}");
    }
    ensure!(terminal.fact("#{alternate_on}").await? == "0", "{text}");
    ensure!(terminal.fact("#{cursor_flag}").await? == "1", "{text}");
    let wire = terminal.wire();
    let after = wire
        .windows(GIVEN_BACK.len())
        .rposition(|window| window == GIVEN_BACK);
    ensure!(after.is_some(), "the modes were not given back");
    only_allowed(&wire)
}

async fn quit(desk: &mut Desk) -> Result<()> {
    let terminal = in_a_shell(desk, "").await?;
    terminal.press(&["q"]).await?;
    is_given_back(&terminal, "exit 0").await
}

async fn terminated(desk: &mut Desk) -> Result<()> {
    let terminal = in_a_shell(desk, "").await?;
    let pid = client(desk).context("the client runs")?;
    kill(pid, Signal::SIGTERM)?;
    is_given_back(&terminal, "exit 0").await
}

/// The process of the client itself, not of the shell that started it.
fn client(desk: &Desk) -> Option<nix::unistd::Pid> {
    let program = format!("{}/bin/cloud-code", desk.cluster.root().display());
    let processes = desk.cluster.processes().into_iter();
    let mut clients = processes.filter(|(_, line)| line.starts_with(&program));
    clients.next().map(|(pid, _)| pid)
}

async fn hung_up(desk: &mut Desk) -> Result<()> {
    let command = desk.through_ssh();
    let terminal = desk.tmux()?.open("t", (80, 24), &command).await?;
    terminal.shows("live").await?;
    let is_client = |line: &str| line.starts_with("cloud-code");
    let clients = || {
        let processes = desk.cluster.processes();
        processes.iter().filter(|(_, line)| is_client(line)).count()
    };
    ensure!(clients() == 1, "{:?}", desk.cluster.processes());
    let ssh = format!("-F {}/ssh/config", desk.cluster.root().display());
    ensure!(desk.cluster.kill_programs(&ssh) > 0, "no ssh was running");
    let gone = || (clients() == 0).then_some(());
    desk.cluster.until("the client is gone", gone).await
}

async fn no_color(desk: &mut Desk) -> Result<()> {
    let terminal = in_a_shell(desk, "NO_COLOR=1").await?;
    let text = terminal.shows("backend-1").await?;
    ensure!(text.contains("idle") && text.contains('>'), "{text}");
    ensure!(!colours(&terminal.wire()), "colours were sent");
    terminal.press(&["q"]).await?;
    is_given_back(&terminal, "exit 0").await
}
