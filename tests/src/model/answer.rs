//! From a request and the script to an answer, still without a protocol.

use cloud_code_domain::cost::Usage;

use super::ask::Ask;
use super::script::{Script, Step};
use super::tools::{self, Call};

/// What the model answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) calls: Vec<Call>,
    pub(super) usage: Usage,
    pub(super) cut_at_limit: bool,
    /// A request on the side: a title, a commit message.
    pub(super) aside: bool,
}

/// What a request on the side costs.
const ASIDE: Usage = Usage {
    input: 100,
    output: 10,
    cache_read: 0,
    cache_write: 0,
};

/// What stands in the id of a tool call before the number of its step.
const STEP: &str = "_step";

impl Answer {
    pub(super) fn compose(script: &Script, ask: &Ask) -> Self {
        if tools::has_tools(ask) {
            return Self::with_tools(script, ask);
        }
        if tools::asks_for_a_commit_message(ask) {
            return Self::aside("feat: greet");
        }
        if tools::reads_edit_blocks(ask) {
            return Self::with_edit_blocks(script, ask);
        }
        Self::plain(script, ask)
    }

    /// Whether nothing comes after it in its turn.
    pub(super) fn ends_turn(&self) -> bool {
        self.calls.is_empty() && !self.aside
    }

    fn aside(text: &str) -> Self {
        Self {
            text: text.into(),
            calls: Vec::new(),
            usage: ASIDE,
            cut_at_limit: false,
            aside: true,
        }
    }

    /// The step that is due is one after that of the tool calls just answered; the first after a
    /// prompt. It is read from the request, so retries and resumed sessions find their place.
    fn with_tools(script: &Script, ask: &Ask) -> Self {
        let due = ask.answered.iter().filter_map(|id| step_of(id)).max();
        let due = due.map_or(0, |step| step.saturating_add(1));
        let steps = script.steps(&ask.prompt);
        let done = Step::says("Done.");
        let step = steps.get(due).unwrap_or(&done);
        let calls = step.actions.iter().filter_map(|action| {
            let (name, input) = tools::call(ask, action)?;
            let id = format!("call{STEP}{due}_{}", uuid::Uuid::new_v4().simple());
            Some(Call { id, name, input })
        });
        Self {
            text: step.text.clone(),
            calls: calls.collect(),
            usage: step.usage,
            cut_at_limit: step.cut_at_limit,
            aside: false,
        }
    }

    /// All edits in one answer: such a client sends no results back.
    fn with_edit_blocks(script: &Script, ask: &Ask) -> Self {
        let steps = script.steps(&ask.prompt);
        let mut answer = Self::plain(script, ask);
        let blocks = steps.iter().flat_map(|step| &step.actions);
        for block in blocks.filter_map(|action| tools::edit_block(ask, action)) {
            answer.text.push_str("\n\n");
            answer.text.push_str(&block);
        }
        answer
    }

    /// The last step's words with the first step's usage: a client without tools sees one answer.
    fn plain(script: &Script, ask: &Ask) -> Self {
        let steps = script.steps(&ask.prompt);
        Self {
            text: steps.last().map_or("Done.", |step| &step.text).into(),
            calls: Vec::new(),
            usage: steps.first().map_or(ASIDE, |step| step.usage),
            cut_at_limit: steps.iter().any(|step| step.cut_at_limit),
            aside: false,
        }
    }
}

fn step_of(id: &str) -> Option<usize> {
    let (_, rest) = id.split_once(STEP)?;
    rest.split('_').next()?.parse().ok()
}
