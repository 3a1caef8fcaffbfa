//! What the scripted model does: the steps of a turn, and the faults before them.

use cloud_code_domain::cost::Usage;

/// A model's behaviour. Without any match on the prompt the `otherwise` steps are played.
#[derive(Debug, Clone, Default)]
pub struct Script {
    prompts: Vec<(String, Vec<Step>)>,
    otherwise: Vec<Step>,
    faults: Vec<(Fault, Option<u32>)>,
    at_end: Option<Fault>,
    key: Option<String>,
}

/// One answer of the model.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// What it says.
    pub text: String,
    /// The tools it calls; none ends the turn.
    pub actions: Vec<Action>,
    /// What the provider counts for this answer.
    pub usage: Usage,
    /// The answer stops at the model's output limit.
    pub cut_at_limit: bool,
}

/// What a model wants done. It becomes a call of whatever tool the coding CLI offers, or an edit
/// block for a CLI without tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make a file with this content.
    Write {
        /// Relative to the worktree.
        path: String,
        /// Its lines.
        content: String,
    },
    /// Run a command.
    Run {
        /// For a shell.
        command: String,
    },
}

/// What goes wrong instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An HTTP error.
    Status {
        /// The status.
        status: u16,
        /// The provider's word for it; empty: the usual one for the status.
        code: String,
        /// The provider's message; empty: the usual one.
        message: String,
        /// Headers, such as `retry-after`.
        headers: Vec<(String, String)>,
    },
    /// The stream breaks off after this many events, and with it the connection.
    Cut {
        /// Events sent before.
        after: usize,
    },
    /// The stream goes silent after this many events and stays open.
    Stall {
        /// Events sent before.
        after: usize,
    },
    /// The request is taken and never answered.
    Hang,
}

impl Step {
    /// The model says this and calls nothing.
    #[must_use]
    pub fn says(text: &str) -> Self {
        Self {
            text: text.into(),
            usage: Usage {
                input: 250,
                output: 40,
                cache_read: 3_700,
                cache_write: 100,
            },
            ..Self::default()
        }
    }

    /// The model says this and wants one thing done.
    #[must_use]
    pub fn does(text: &str, action: Action) -> Self {
        Self {
            actions: vec![action],
            usage: Usage {
                input: 2_000,
                output: 120,
                cache_read: 300,
                cache_write: 1_500,
            },
            ..Self::says(text)
        }
    }

    /// The same with this usage.
    #[must_use]
    pub fn costing(self, usage: Usage) -> Self {
        Self { usage, ..self }
    }
}

impl Action {
    /// A file to make.
    #[must_use]
    pub fn write(path: &str, content: &str) -> Self {
        Self::Write {
            path: path.into(),
            content: content.into(),
        }
    }

    /// A command to run.
    #[must_use]
    pub fn run(command: &str) -> Self {
        Self::Run {
            command: command.into(),
        }
    }
}

impl Fault {
    /// An HTTP error with the provider's usual words.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Status {
            status,
            code: String::new(),
            message: String::new(),
            headers: Vec::new(),
        }
    }

    /// 429 that asks to come back after this many seconds.
    #[must_use]
    pub fn rate_limited(seconds: u32) -> Self {
        Self::Status {
            status: 429,
            code: String::new(),
            message: String::new(),
            headers: vec![("retry-after".into(), seconds.to_string())],
        }
    }

    /// OpenAI's answer when the money is used up.
    #[must_use]
    pub fn quota() -> Self {
        Self::worded(
            429,
            "insufficient_quota",
            "You exceeded your current quota, please check your plan and billing details.",
        )
    }

    /// Anthropic's answer when the money is used up.
    #[must_use]
    pub fn credit() -> Self {
        Self::worded(400, "", "Your credit balance is too low to access the API.")
    }

    /// The conversation does not fit the model.
    #[must_use]
    pub fn context_too_long() -> Self {
        Self::worded(
            400,
            "context_length_exceeded",
            "prompt is too long: 250000 tokens > 200000 maximum",
        )
    }

    fn worded(status: u16, code: &str, message: &str) -> Self {
        Self::Status {
            status,
            code: code.into(),
            message: message.into(),
            headers: Vec::new(),
        }
    }
}

impl Script {
    /// Plays these steps for every prompt.
    #[must_use]
    pub fn playing(steps: Vec<Step>) -> Self {
        Self {
            otherwise: steps,
            ..Self::default()
        }
    }

    /// Writes a file, runs a command that reads it, finishes: three calls.
    #[must_use]
    pub fn edit() -> Self {
        Self::playing(vec![
            Step::does(
                "I write the greeting.",
                Action::write("greeting.txt", "hello from the scripted model\n"),
            ),
            Step::does("I look at it.", Action::run("cat greeting.txt")),
            Step::says("Done: greeting.txt greets."),
        ])
    }

    /// Answers and touches nothing.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::playing(vec![Step::says(text)])
    }

    /// Every call fails in this way.
    #[must_use]
    pub fn failing(fault: Fault) -> Self {
        Self {
            faults: vec![(fault, None)],
            ..Self::edit()
        }
    }

    /// A prompt that contains this text gets these steps; of several, what was said last counts.
    #[must_use]
    pub fn on(mut self, contains: &str, steps: Vec<Step>) -> Self {
        self.prompts.push((contains.into(), steps));
        self
    }

    /// The next `times` calls fail in this way, after the faults already planned.
    #[must_use]
    pub fn first(mut self, fault: Fault, times: u32) -> Self {
        self.faults.push((fault, Some(times)));
        self
    }

    /// Every answer that would end its turn fails in this way: what comes before it is done.
    #[must_use]
    pub fn never_done(mut self, fault: Fault) -> Self {
        self.at_end = Some(fault);
        self
    }

    /// Only this key is accepted; any other is answered 401.
    #[must_use]
    pub fn requiring_key(mut self, key: &str) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The steps for a prompt.
    #[must_use]
    pub fn steps(&self, prompt: &str) -> &[Step] {
        self.prompts
            .iter()
            .filter_map(|(contains, steps)| Some((prompt.rfind(contains.as_str())?, steps)))
            .max_by_key(|(at, _)| *at)
            .map_or(&self.otherwise, |(_, steps)| steps)
    }

    /// Whether this key opens the API.
    pub(super) fn accepts(&self, key: &str) -> bool {
        self.key.as_deref().is_none_or(|wanted| wanted == key)
    }

    /// The fault that is due now, before an answer that ends the turn or one that does not; counts it
    /// as played.
    pub(super) fn take_fault(&mut self, ends_turn: bool) -> Option<Fault> {
        let Some((fault, left)) = self.faults.first_mut() else {
            return self.at_end.clone().filter(|_| ends_turn);
        };
        let fault = fault.clone();
        if let Some(left) = left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.faults.remove(0);
            }
        }
        Some(fault)
    }
}
