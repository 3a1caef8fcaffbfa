//! The `opencode`, `qwen`, `copilot`, `gemini` and `acp` adapters: coding CLIs that speak the Agent Client
//! Protocol, JSON-RPC on standard input and output, one object a line.
//!
//! ```text
//!  initialize ─▶ session/new | session/resume | session/load ─▶ session/prompt ─▶ … stopReason
//!                                     session/update, session/request_permission ┘
//! ```
//!
//! The process stays for the next turn. What the programs differ in (command line, where they are
//! told of the gateway) is `program`'s; what they say is understood by `parser` alone.
//!
//! Nothing is offered to them: no files, no terminal, they work in the container themselves. What
//! they ask permission for is allowed, as it is for every coding CLI here: the container is the
//! boundary, and a question would have nobody to answer it.
//!
//! The protocol knows no steering: a message to a running turn waits for the next one. It tells no
//! retries either, and some of these programs wait in silence for hours if a provider tells them to:
//! the gateway sees that, and ends their turns.

mod parser;
mod program;
mod updates;
mod wire;

#[cfg(test)]
mod tests;

pub(super) use program::Program;

use super::{Adapter, Interrupt, LaunchPlan, Parser, PlanError, RunSpec};

/// Drives a program that speaks the Agent Client Protocol.
#[derive(Debug)]
pub(super) struct Acp(pub(super) Program);

impl Adapter for Acp {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn plan(&self, spec: &RunSpec) -> Result<LaunchPlan, PlanError> {
        self.0.plan(spec)
    }

    fn parser(&self, spec: &RunSpec) -> Box<dyn Parser> {
        Box::new(parser::AcpParser::new(self.0, spec))
    }

    fn warm(&self) -> bool {
        true
    }

    fn interrupt(&self) -> Interrupt {
        Interrupt::Protocol
    }
}
