//! For the adapters' tests: a specification, and a parser fed with what a program printed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cloud_code_domain::account::{Authorisation, Provider};

use super::{
    Adapter, CliEvent, ErrorKind, Exit, Gateway, LaunchPlan, Output, Parser, RunSpec, SessionRef,
};

pub(super) const SESSION: &str = "6f1c6e0e-6c1c-4c51-9f51-6a8f2f0d2f10";

pub(super) fn spec(provider: Provider) -> RunSpec {
    RunSpec {
        prompt: "Make a greeting.".into(),
        workdir: PathBuf::from("/workspace/task"),
        home: PathBuf::from("/workspace/home"),
        model: None,
        session: SessionRef::New { id: SESSION.into() },
        command: Vec::new(),
        gateway: Some(Gateway {
            base_url: "http://127.0.0.1:4000/model".into(),
            token: "the-token".into(),
            provider,
            authorisation: Authorisation::ApiKey,
        }),
        env: BTreeMap::new(),
        prompt_file: PathBuf::from("/workspace/prompt.md"),
    }
}

pub(super) fn arguments(plan: &LaunchPlan) -> Vec<&str> {
    plan.argv
        .iter()
        .filter_map(|argument| argument.to_str())
        .collect()
}

/// The value that the program finds: the last one counts.
pub(super) fn variable<'a>(plan: &'a LaunchPlan, name: &str) -> Option<&'a str> {
    let mut found = plan.env.iter().rev();
    found.find(|(known, _)| known == name)?.1.to_str()
}

/// A parser in the middle of its work.
pub(super) struct Replay {
    pub(super) parser: Box<dyn Parser>,
    pub(super) out: Output,
}

impl Replay {
    pub(super) fn start(adapter: &dyn Adapter, spec: &RunSpec) -> Self {
        let (mut parser, mut out) = (adapter.parser(spec), Output::default());
        parser.start(&spec.prompt, &mut out);
        Self { parser, out }
    }

    pub(super) fn stdout(&mut self, lines: &str) {
        for line in lines.lines() {
            self.parser.stdout_line(line, &mut self.out);
        }
    }

    pub(super) fn exit(&mut self, exit: Exit) {
        self.parser.finish(Some(exit), &mut self.out);
    }

    /// What was written to the program since the last look.
    pub(super) fn written(&mut self) -> Vec<serde_json::Value> {
        let bytes = std::mem::take(&mut self.out.stdin);
        let text = String::from_utf8(bytes).expect("text");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// The ends of turns so far.
    pub(super) fn ends(&self) -> Vec<(bool, Option<ErrorKind>, &str)> {
        let events = self.out.events.iter();
        events
            .filter_map(|event| {
                let CliEvent::TurnEnded { ok, kind, text } = event else {
                    return None;
                };
                Some((*ok, *kind, text.as_str()))
            })
            .collect()
    }
}
