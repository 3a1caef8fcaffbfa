//! The client as its user meets it: in tmux, over a real sshd, against the real orchestratord; and
//! its subcommands as scripts call them.
//!
//! ```text
//!  keys ─▶ tmux ─▶ cloud-code --host desk ─▶ ssh ─▶ sshd ─▶ cloud-code connect --stdio
//!  screen ◀─┘ └─▶ every byte that was written ─▶ a parser that knows what is allowed
//! ```
//!
//! Without tmux or sshd a test is reported as ignored, with the reason. With
//! `CLOUD_CODE_REQUIRE_SSH=1` what is missing fails.

mod canary;
mod control_room;
mod desk;
mod hostile;
mod keys;
mod plain;
mod sshd;
mod tmux;
mod ways_out;
mod wire;

use std::process::ExitCode;

use anyhow::Result;
use cloud_code_tests::trials::{Demand, Found, trial};
use libtest_mimic::{Arguments, Trial};

use desk::Desk;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = [
        control_room::trials(),
        ways_out::trials(),
        keys::trials(),
        hostile::trials(),
        canary::trials(),
        plain::trials(),
    ];
    let trials = trials.into_iter().flatten().collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test with an installation, a terminal and an sshd of its own.
fn over_ssh(name: &str, test: impl AsyncFnOnce(&mut Desk) -> Result<()> + Send + 'static) -> Trial {
    over_ssh_at(name, async |programs| Desk::set(Some(programs)).await, test)
}

/// The same, at an installation that the test wants to be otherwise.
fn over_ssh_at(
    name: &str,
    set: impl AsyncFnOnce(sshd::Programs) -> Result<Desk> + Send + 'static,
    test: impl AsyncFnOnce(&mut Desk) -> Result<()> + Send + 'static,
) -> Trial {
    let demand = Demand::of_variable("CLOUD_CODE_REQUIRE_SSH");
    let look = async || match sshd::Programs::find() {
        Ok(programs) => Found::There(programs),
        Err(why) => Found::Missing(why),
    };
    trial(name, demand, look, async move |programs| {
        let mut desk = set(programs).await?;
        test(&mut desk).await
    })
}

/// A test with an installation of its own that needs nothing from the machine.
fn installed(
    name: &str,
    test: impl AsyncFnOnce(&mut Desk) -> Result<()> + Send + 'static,
) -> Trial {
    let look = async || Found::There(());
    trial(name, Demand::Required, look, async move |()| {
        let mut desk = Desk::set(None).await?;
        test(&mut desk).await
    })
}
