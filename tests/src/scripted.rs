//! The scripted coding CLI: a program that does what a task's text tells it, for the demo and tests.
//!
//! It behaves like any other coding CLI: it is started by agentd in a worktree, prints JSON lines,
//! commits, writes `.cloud-code/reporting.yaml`, and pays for model calls at the loopback gateway.
//! What it does stands in a fenced block of the task's description, one step a line:
//!
//! ````text
//! ```script
//! say TEXT                     run SHELL              request TYPE SCOPE REASON
//! write PATH TEXT              commit MESSAGE         block REASON
//! append PATH TEXT             spend MODEL MAXTOKENS  fail CODE [once]
//! report KEY VALUE | {YAML}    criteria done N|all    wait-for FILE
//! end-turn                     hang
//! ```
//! ````
//!
//! A turn goes on where the session stopped; a new session begins with the first step, and one that it
//! does not know it refuses to resume. Without a
//! block it writes a note, which is what the demo's tasks become.

mod report;
mod spend;
mod state;
mod step;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use serde::Serialize;

use report::Claim;
use state::{State, Tasking};
use step::Step;

/// What ends a turn early.
enum Halt {
    /// In good order: a later turn goes on.
    Turn,
    /// It failed, with this kind of error and exit status.
    Failed {
        kind: &'static str,
        text: String,
        exit: u8,
    },
}

impl Halt {
    fn failed(kind: &'static str, text: impl Into<String>) -> Self {
        Self::Failed {
            kind,
            text: text.into(),
            exit: 1,
        }
    }
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::failed("unknown", error.to_string())
    }
}

/// A line of output.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Session {
        id: &'a str,
    },
    Message {
        text: &'a str,
    },
    ToolCall {
        name: &'a str,
        input: &'a str,
    },
    ToolResult {
        ok: bool,
        text: &'a str,
    },
    FileChange {
        path: &'a str,
    },
    Error {
        kind: &'a str,
        message: &'a str,
    },
    Result {
        ok: bool,
        kind: Option<&'a str>,
        text: &'a str,
    },
}

/// While it lives, who asks this program to stop has to wait: a step is done and remembered, or neither,
/// as a coding CLI ends the tool that it is at. The waiting signal comes when this is dropped.
struct Uninterrupted(SigSet);

impl Uninterrupted {
    fn begin() -> Self {
        let mut asked = SigSet::empty();
        asked.add(Signal::SIGINT);
        asked.add(Signal::SIGTERM);
        // Where it cannot be blocked, a step can be cut in two.
        asked.thread_block().ok();
        Self(asked)
    }
}

impl Drop for Uninterrupted {
    fn drop(&mut self) {
        self.0.thread_unblock().ok();
    }
}

/// Runs one turn. The arguments are `PROGRAM --prompt-file FILE (--session | --resume) ID`.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Some(arguments) = Arguments::parse(args) else {
        let usage = "usage: --prompt-file FILE (--session | --resume) ID";
        print(&Line::Error {
            kind: "usage",
            message: usage,
        });
        return ExitCode::from(2);
    };
    let Some(state) = arguments.state() else {
        let id = &arguments.session;
        print(&Line::Error {
            kind: "usage",
            message: &format!("there is no session {id}"),
        });
        return ExitCode::from(1);
    };
    // Kept before it is told of: whoever is killed in between goes on with it.
    state.save();
    print(&Line::Session {
        id: &arguments.session,
    });
    let mut turn = Turn::begin(&arguments, state);
    let outcome = turn.carry_out();
    turn.state.save();
    match outcome {
        Ok(()) | Err(Halt::Turn) => {
            let text = turn.last.as_str();
            print(&Line::Result {
                ok: true,
                kind: None,
                text,
            });
            ExitCode::SUCCESS
        }
        Err(Halt::Failed { kind, text, exit }) => {
            print(&Line::Error {
                kind,
                message: &text,
            });
            print(&Line::Result {
                ok: false,
                kind: Some(kind),
                text: &text,
            });
            ExitCode::from(exit)
        }
    }
}

struct Arguments {
    prompt: String,
    session: String,
    resumed: bool,
}

impl Arguments {
    fn parse(args: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut args = args.into_iter().skip(1);
        let (mut prompt, mut session, mut resumed) = (None, None, false);
        while let Some(name) = args.next() {
            let value = args.next()?;
            match name.to_str()? {
                "--prompt-file" => prompt = Some(fs::read_to_string(value).ok()?),
                "--session" => session = value.into_string().ok(),
                "--resume" => {
                    session = value.into_string().ok();
                    resumed = true;
                }
                _ => return None,
            }
        }
        Some(Self {
            prompt: prompt?,
            session: session?,
            resumed,
        })
    }

    /// Where the session stands; none where it cannot be resumed.
    fn state(&self) -> Option<State> {
        if self.resumed {
            State::resumed(&self.session)
        } else {
            Some(State::new(&self.session))
        }
    }
}

/// One turn.
struct Turn {
    prompt: String,
    tasking: Tasking,
    state: State,
    claim: Claim,
    last: String,
}

impl Turn {
    fn begin(arguments: &Arguments, state: State) -> Self {
        let tasking = Tasking::load();
        Self {
            prompt: arguments.prompt.clone(),
            claim: Claim::new(&tasking, &state),
            tasking,
            state,
            last: "Nothing was left to do.".to_owned(),
        }
    }

    fn carry_out(&mut self) -> Result<(), Halt> {
        self.say("I am the scripted coding CLI: no model decides what I do.");
        let script = step::script(&self.tasking.description);
        let script = script.or_else(|| step::script(&self.prompt));
        let Some(lines) = script else {
            return if self.state.next == 0 {
                self.state.next = 1;
                self.write_a_note()
            } else {
                self.answer()
            };
        };
        if self.state.next >= lines.len() {
            return self.answer();
        }
        while let Some(line) = lines.get(self.state.next) {
            let step = Step::parse(line)
                .ok_or_else(|| Halt::failed("usage", format!("no such step: {line}")))?;
            let index = self.state.next;
            // What ends a turn in good order is behind us when the session goes on; what failed is
            // tried again.
            self.state.next += 1;
            let whole = step.is_brief().then(Uninterrupted::begin);
            let done = self.step(step, index);
            if matches!(done, Err(Halt::Failed { .. })) {
                self.state.next = index;
            }
            // As a real one writes its transcript: whoever is killed goes on from here.
            self.state.save();
            drop(whole);
            done?;
        }
        Ok(())
    }

    fn step(&mut self, step: Step<'_>, index: usize) -> Result<(), Halt> {
        match step {
            Step::Say(text) => self.say(text),
            Step::Write(path, text) => self.write(path, &format!("{text}\n"))?,
            Step::Append(path, text) => {
                let before = fs::read_to_string(path).unwrap_or_default();
                self.write(path, &format!("{before}{text}\n"))?;
            }
            Step::Run(command) => self.shell(command)?,
            Step::Commit(message) => self.commit(message)?,
            Step::Spend(model, tokens) => self.spend(model, tokens)?,
            Step::Report(text) => {
                self.claim
                    .set(text)
                    .map_err(|error| Halt::failed("usage", error))?;
                self.claim.write(&mut self.state)?;
            }
            Step::Criteria(which) => {
                self.claim.criteria_done(&self.tasking, which);
                self.claim.write(&mut self.state)?;
            }
            Step::Request {
                kind,
                scope,
                reason,
            } => self.request(kind, scope, reason, index)?,
            Step::Block(reason) => {
                self.claim.block(reason);
                self.claim.write(&mut self.state)?;
                reason.clone_into(&mut self.last);
                return Err(Halt::Turn);
            }
            Step::Fail { code, once } => return self.fail(code, once, index),
            Step::WaitFor(path) => {
                while !PathBuf::from(path).exists() {
                    pause(Duration::from_millis(20));
                }
            }
            Step::EndTurn => return Err(Halt::Turn),
            Step::Hang => loop {
                pause(Duration::from_secs(3_600));
            },
        }
        Ok(())
    }

    fn say(&mut self, text: &str) {
        text.clone_into(&mut self.last);
        print(&Line::Message { text });
    }

    fn write(&mut self, path: &str, text: &str) -> Result<(), Halt> {
        let path = PathBuf::from(path);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        fs::write(&path, text)?;
        print(&Line::FileChange {
            path: &path.to_string_lossy(),
        });
        Ok(())
    }

    fn shell(&mut self, command: &str) -> Result<(), Halt> {
        program(&["sh", "-c", command])
    }

    fn commit(&mut self, message: &str) -> Result<(), Halt> {
        program(&["git", "add", "--all"])?;
        program(&[
            "git",
            "commit",
            "--quiet",
            "--allow-empty",
            "--message",
            message,
        ])
    }

    fn spend(&mut self, model: &str, tokens: u32) -> Result<(), Halt> {
        print(&Line::ToolCall {
            name: "model",
            input: &format!("{model}, at most {tokens} tokens"),
        });
        let text = spend::spend_patiently(model, tokens, &self.tasking.title, pause)
            .map_err(|failure| Halt::failed(failure.kind, failure.text))?;
        print(&Line::ToolResult {
            ok: true,
            text: &text,
        });
        Ok(())
    }

    /// Asks for a credential and ends the turn, unless it is there or was denied.
    fn request(&mut self, kind: &str, scope: &str, reason: &str, index: usize) -> Result<(), Halt> {
        let variable = kind.to_ascii_uppercase();
        if std::env::var_os(&variable).is_some() {
            self.say(&format!("{variable} is there."));
            return Ok(());
        }
        if self.prompt.to_lowercase().contains("denied") {
            self.say(&format!("I go on without a {kind}."));
            return Ok(());
        }
        self.claim.request(kind, scope, reason);
        self.claim.write(&mut self.state)?;
        self.state.next = index;
        self.last = format!("I need a {kind} for {scope}: {reason}");
        Err(Halt::Turn)
    }

    fn fail(&mut self, code: u8, once: bool, index: usize) -> Result<(), Halt> {
        if once && !self.state.failed_once.insert(index) {
            self.say("This failed before; it does not now.");
            return Ok(());
        }
        Err(Halt::Failed {
            kind: "unknown",
            text: format!("I was told to fail with {code}."),
            exit: code,
        })
    }

    /// What a task without a script becomes.
    fn write_a_note(&mut self) -> Result<(), Halt> {
        let title = self.tasking.title.clone();
        let path = format!("notes/{}.md", slug(&title));
        self.claim.progress(&format!("Writing {path}"));
        self.claim.write(&mut self.state)?;
        let model = std::env::var("CLOUD_CODE_MODEL").ok();
        self.spend(model.as_deref().unwrap_or("claude-haiku-4-5"), 512)?;
        let mut text = format!("# {title}\n\n{}\n", self.tasking.description.trim());
        for criterion in &self.tasking.criteria {
            text.push_str(&format!("\n- [x] {criterion}"));
        }
        text.push('\n');
        self.write(&path, &text)?;
        self.commit(&format!("Add a note: {title}"))?;
        self.claim.criteria_done(&self.tasking, None);
        self.claim.change(&format!("Added {path}"));
        self.claim
            .summary(&format!("I wrote {path} from the issue's text."));
        self.claim.write(&mut self.state)?;
        self.say(&format!("I wrote {path}."));
        Ok(())
    }

    /// What a turn without a step left becomes: a review or a message gets an answer.
    fn answer(&mut self) -> Result<(), Halt> {
        let prompt = self.prompt.trim().to_owned();
        let quoted: String = prompt.lines().map(|line| format!("> {line}\n")).collect();
        let path = format!("notes/answers/{}.md", slug(&self.tasking.title));
        let before = fs::read_to_string(&path).unwrap_or_default();
        self.write(&path, &format!("{before}{quoted}\nDone.\n\n"))?;
        self.commit("Answer what was said")?;
        self.claim
            .change(&format!("Answered what was said in {path}"));
        self.claim.write(&mut self.state)?;
        self.say(&format!("I answered in {path}."));
        Ok(())
    }
}

fn slug(title: &str) -> String {
    let words: Vec<String> = title
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .take(8)
        .collect();
    if words.is_empty() {
        "task".to_owned()
    } else {
        words.join("-")
    }
}

#[expect(clippy::disallowed_methods, reason = "a coding CLI starts programs")]
fn program(argv: &[&str]) -> Result<(), Halt> {
    let shown = argv.join(" ");
    print(&Line::ToolCall {
        name: "shell",
        input: &shown,
    });
    let output = Command::new(argv[0]).args(&argv[1..]).output()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let ok = output.status.success();
    print(&Line::ToolResult { ok, text: &text });
    if ok {
        Ok(())
    } else {
        let words = text.trim();
        Err(Halt::failed("unknown", format!("{shown} failed: {words}")))
    }
}

#[expect(clippy::disallowed_methods, reason = "waiting is what the script says")]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// Prints a line. Nobody reads any more: there is nobody to tell.
fn print(line: &Line<'_>) {
    let text = serde_json::to_string(line).unwrap_or_default();
    let mut out = io::stdout().lock();
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        drop(out);
    }
}

#[cfg(test)]
mod tests;
