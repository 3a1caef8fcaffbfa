//! The stop ladder: from a polite request to the end of every descendant.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::Instant;

use super::live::Live;
use crate::cli::{Interrupt, Output};
use crate::execution::sweep;

/// The rung that is tried next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Rung {
    #[default]
    Protocol,
    Interrupt,
    Terminate,
    Kill,
}

/// Where a stop stands.
#[derive(Debug, Default)]
pub(super) struct Ladder {
    rung: Rung,
    due: Option<Instant>,
}

impl Ladder {
    /// Whether the rung before had its time.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| now >= due)
    }

    /// Takes the next rung and gives it its time.
    pub(super) async fn climb(&mut self, live: &mut Live, out: &mut Output, execution: &str) {
        if self.rung == Rung::Protocol {
            self.rung = Rung::Interrupt;
            let protocol = live.interrupt() == Interrupt::Protocol;
            if protocol && live.parser.interrupt(out) {
                self.wait(5);
                return;
            }
        }
        match self.rung {
            Rung::Protocol | Rung::Interrupt => {
                live.running.signal(Signal::SIGINT);
                self.rung = Rung::Terminate;
                self.wait(5);
            }
            Rung::Terminate => {
                live.running.signal_group(Signal::SIGTERM);
                self.rung = Rung::Kill;
                self.wait(2);
            }
            Rung::Kill => {
                live.running.signal_group(Signal::SIGKILL);
                sweep::end_all(execution, live.running.living_pid()).await;
                self.wait(2);
            }
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.due = Some(Instant::now() + Duration::from_secs(seconds));
    }
}
