//! What several targets need. A target states what must hold whatever comes in; that nothing panics,
//! hangs or takes all memory is watched by libFuzzer.

use agentd::cli::{CliEvent, Exit, Output, RunSpec, SessionRef, adapter};

/// Bytes as text, the way every reader of ours takes them.
#[must_use]
pub fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// Whether a terminal or a tracker could obey a character.
#[must_use]
pub fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{e0000}'..='\u{e007f}')
}

/// What a coding CLI prints, line by line, to one of the adapters. The first byte of a line says
/// what happens: it is printed, printed as an error, or the operator does something meanwhile.
///
/// # Panics
/// Where a process ends and the adapter does not say how its turn did, or says it more than once.
pub fn cli_events(name: &str, data: &[u8]) {
    let adapter = adapter(name).expect("an adapter of ours");
    let spec = RunSpec {
        prompt: "Make a greeting.".to_owned(),
        workdir: "/workspace/task".into(),
        home: "/workspace/home".into(),
        model: None,
        session: SessionRef::New {
            id: "6f1c6e0e-6c1c-4c51-9f51-6a8f2f0d2f10".to_owned(),
        },
        command: vec!["program".to_owned()],
        gateway: None,
        env: std::collections::BTreeMap::new(),
        prompt_file: "/workspace/prompt.md".into(),
    };
    let (mut parser, mut out) = (adapter.parser(&spec), Output::default());
    parser.start(&spec.prompt, &mut out);
    let mut turns = 1;
    for line in text(data).lines() {
        match line.as_bytes().first() {
            Some(b'!') => parser.stderr_line(&line[1..], &mut out),
            Some(b'>') => {
                parser.steer(&line[1..], &mut out);
            }
            Some(b'^') => {
                parser.interrupt(&mut out);
            }
            Some(b'+') if adapter.warm() && ended(&out) == turns => {
                turns += 1;
                parser.next_turn(&line[1..], &mut out);
            }
            _ => parser.stdout_line(line, &mut out),
        }
    }
    parser.finish(
        Some(Exit::Code(
            data.first().map_or(0, |byte| i32::from(byte % 3)),
        )),
        &mut out,
    );
    assert_eq!(ended(&out), turns, "{name}: every turn ends once: {out:?}");
}

fn ended(out: &Output) -> usize {
    let is_end = |event: &&CliEvent| matches!(event, CliEvent::TurnEnded { .. });
    out.events.iter().filter(is_end).count()
}
