//! Whatever a daemon can say, said by an enemy, and a terminal that looks at what is done about it.
//!
//! ```text
//!  the contract ──▶ every string field that an answer has ──▶ a hostile text in it
//!                                                                     │ screen, subcommand
//!  what a terminal is sent ◀── parsed: letters and the few sequences that we mean ◀─┘
//! ```
//!
//! The fields come from the descriptors of the `.proto` files, so that none can be forgotten: one
//! that is added tomorrow is poisoned tomorrow.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use cloud_code_proto::DESCRIPTORS;
use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use prost_reflect::{ReflectMessage, Value};
use vte::{Params, Parser, Perform};

/// Ways to be obeyed by a terminal, or to lie to its reader. A text ends in one that is not complete,
/// to swallow what comes after it.
#[rustfmt::skip] // a table
pub(crate) const FAMILIES: [&str; 34] = [
    "\x1b[2J\x1b[1;1H", "\x1b[31;8m", "\x1b[6n\x1b[c\x1b[>c", "\x1b[21t\x1b[8;1;1t",
    "\x1b[?1049l\x1b[?1003h", "\x1b[201~", "\x1b]0;title\x07", "\x1b]2;title\x1b\\",
    "\x1b]52;c;cm0gLXJmIH4K\x07", "\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]1337;File=:AAAA\x07", "\x1bP$q\"p\x1b\\", "\x1bPtmux;\x1b\x1b]52;c;QQ==\x07\x1b\\",
    "\x1b_Gf=24;AAAA\x1b\\", "\x1b^pm\x1b\\", "\x1bXsos\x1b\\", "\x1bc", "\x1b#8", "\x1b(0lqqk\x1b(B",
    "\x1bN\x1bO", "\u{9b}2J", "\u{9d}52;c;QQ==\u{9c}", "\u{90}q\u{9c}", "\u{85}\u{84}\u{8d}",
    "\r\x08\x07\x0b\x0c\0\x0e\x0f\x7f", "\n\nforged line\n", "\u{202e}esrever\u{202c}\u{2066}\u{200f}",
    "pa\u{200b}ss\u{200d}w\u{2060}o\u{feff}rd\u{ad}\u{34f}", "\u{e0041}\u{e0042}\u{e007f}",
    "z\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}", "\u{fe0f}\u{e0101}\u{1f3fd}\u{20e3}",
    "\u{e000}\u{f8ff}\u{fffe}\u{ffff}\u{10ffff}", "\u{2028}\u{2029}", "日本\u{115f}\u{3164}👩\u{200d}💻🇩🇪",
];

/// All of it in one text, with combining characters without end, and cut in the middle of a sequence.
pub(crate) fn text() -> String {
    format!("q{}{}\x1b]52;c;", FAMILIES.concat(), "\u{301}".repeat(40))
}

/// A line of 200,000 characters.
pub(crate) fn long_line() -> String {
    let part = text();
    part.repeat(200_000 / part.chars().count() + 1)
}

/// The contract.
pub(crate) static CONTRACT: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).expect("our own descriptors"));

/// What the calls of the operator's service answer.
fn answers() -> Vec<MessageDescriptor> {
    let operator = CONTRACT
        .get_service_by_name("cloudcode.v1.Operator")
        .expect("the service");
    operator.methods().map(|method| method.output()).collect()
}

/// Every string that an answer can have, by the full name of its field.
pub(crate) fn fields() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut messages = answers();
    while let Some(message) = messages.pop() {
        if !seen.insert(message.full_name().to_owned()) {
            continue;
        }
        for field in message.fields() {
            let kind = field.kind();
            if let Kind::Message(inner) = kind {
                messages.push(inner);
            } else if kind == Kind::String {
                names.insert(field.full_name().to_owned());
            } else {
                let name = field.full_name();
                assert_ne!(kind, Kind::Bytes, "{name}: bytes are shown nowhere yet");
            }
        }
    }
    names
}

/// A choice of fields, and what is said in them.
pub(crate) struct Poison<'a> {
    /// Whether a field, by its full name, says it.
    pub(crate) which: &'a dyn Fn(&str) -> bool,
    /// What.
    pub(crate) text: &'a str,
}

impl Poison<'_> {
    /// A message with the text in every field that was chosen, also in those that were empty.
    pub(crate) fn message<T: Message + Default>(&self, name: &str, message: &T) -> T {
        let name = format!("cloudcode.v1.{name}");
        let shape = CONTRACT.get_message_by_name(&name).expect("a message");
        let bytes = message.encode_to_vec();
        let mut dynamic = DynamicMessage::decode(shape, bytes.as_slice()).expect("its own bytes");
        self.fill(&mut dynamic);
        dynamic.transcode_to().expect("the same message")
    }

    /// Any answer of a call, made of nothing.
    pub(crate) fn of_nothing(&self, shape: MessageDescriptor) -> Vec<u8> {
        let mut dynamic = DynamicMessage::new(shape);
        self.fill(&mut dynamic);
        dynamic.encode_to_vec()
    }

    fn fill(&self, message: &mut DynamicMessage) {
        let shape = message.descriptor();
        for field in shape.fields() {
            if let Kind::Message(inner) = field.kind() {
                self.fill_inner(message, &field, inner);
            } else if field.kind() == Kind::String && (self.which)(field.full_name()) {
                self.say(message, &field);
            }
        }
    }

    fn say(&self, message: &mut DynamicMessage, field: &FieldDescriptor) {
        let said = || Value::String(self.text.to_owned());
        let value = if field.is_list() {
            Value::List(vec![said(), said()])
        } else {
            said()
        };
        message.set_field(field, value);
    }

    fn fill_inner(
        &self,
        message: &mut DynamicMessage,
        field: &FieldDescriptor,
        shape: MessageDescriptor,
    ) {
        if field.is_list() {
            let mut list = message.get_field(field).into_owned();
            let items = list.as_list_mut().expect("a list");
            if items.is_empty() {
                items.push(Value::Message(DynamicMessage::new(shape)));
            }
            for item in items {
                self.fill(item.as_message_mut().expect("a message"));
            }
            message.set_field(field, list);
        } else if message.has_field(field) || !is_a_choice(field) {
            let mut inner = message.get_field(field).into_owned();
            self.fill(inner.as_message_mut().expect("a message"));
            message.set_field(field, inner);
        }
    }
}

/// Whether a field stands in a choice with others: to set it would take away the one that is there.
fn is_a_choice(field: &FieldDescriptor) -> bool {
    field
        .containing_oneof()
        .is_some_and(|choice| choice.fields().len() > 1)
}

/// A terminal that takes only what we mean, and remembers the first thing that we do not.
#[derive(Default)]
pub(crate) struct Strict {
    parser: Parser,
    seen: Seen,
}

impl Strict {
    /// One that is also sent lines, and no sequence at all.
    pub(crate) fn lines() -> Self {
        Self {
            seen: Seen {
                only_lines: true,
                ..Seen::default()
            },
            ..Self::default()
        }
    }

    /// Takes what a terminal is sent, in one piece or in many.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.parser.advance(&mut self.seen, bytes);
    }

    /// What was wrong, where something was.
    pub(crate) fn wrong(&self) -> Option<&str> {
        self.seen.wrong.as_deref()
    }
}

/// What it does not take is an error of the terminal.
impl std::io::Write for Strict {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.take(bytes);
        match self.wrong() {
            None => Ok(bytes.len()),
            Some(wrong) => Err(std::io::Error::other(wrong)),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Seen {
    only_lines: bool,
    combining: usize,
    wrong: Option<String>,
}

impl Seen {
    fn refuse(&mut self, what: impl FnOnce() -> String) {
        if self.wrong.is_none() {
            self.wrong = Some(what());
        }
    }
}

impl Perform for Seen {
    fn print(&mut self, c: char) {
        self.combining = if is_combining(c) {
            self.combining + 1
        } else {
            0
        };
        if is_a_lie(c) || self.combining > 4 {
            self.refuse(|| format!("the character {:x}", u32::from(c)));
        }
    }

    fn execute(&mut self, byte: u8) {
        if !(self.only_lines && byte == b'\n') {
            self.refuse(|| format!("the control {byte:02x}"));
        }
    }

    fn csi_dispatch(&mut self, params: &Params, marks: &[u8], _ignore: bool, last: char) {
        let numbers: Vec<u16> = params.iter().flatten().copied().collect();
        let meant = match (marks, last) {
            (b"", 'H' | 'C' | 'm' | 'K' | 'r' | 'S' | 'T') => true,
            (b"", 'J') => numbers == [2],
            (b"?", 'h' | 'l') => numbers == [2026] || numbers == [25],
            _ => false,
        };
        let hides = last == 'm' && hides(&numbers);
        if !meant || hides || self.only_lines {
            self.refuse(|| format!("CSI {marks:?} {numbers:?} {last}"));
        }
    }

    fn hook(&mut self, _params: &Params, _marks: &[u8], _ignore: bool, last: char) {
        self.refuse(|| format!("DCS {last}"));
    }

    fn osc_dispatch(&mut self, params: &[&[u8]], _bell: bool) {
        self.refuse(|| format!("OSC {params:?}"));
    }

    fn esc_dispatch(&mut self, marks: &[u8], _ignore: bool, byte: u8) {
        self.refuse(|| format!("ESC {marks:?} {byte:02x}"));
    }
}

/// Whether one of these attributes blinks, hides or strikes what is written: none of ours.
fn hides(numbers: &[u16]) -> bool {
    let mut rest = numbers;
    while let [first, after @ ..] = rest {
        rest = match (first, after) {
            (38 | 48, [2, _, _, _, after @ ..] | [5, _, after @ ..]) => after,
            (5 | 6 | 8 | 9, _) => return true,
            _ => after,
        };
    }
    false
}

/// What moves, turns round or hides text, or shows as nothing. A list of its own, not the client's.
fn is_a_lie(c: char) -> bool {
    matches!(u32::from(c),
        0..=0x1f | 0x7f..=0x9f | 0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5
        | 0x180b..=0x180f | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164
        | 0xe000..=0xf8ff | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0xfffe..=0xffff
        | 0xe0000..)
}

fn is_combining(c: char) -> bool {
    matches!(u32::from(c), 0x300..=0x36f | 0x483..=0x489 | 0x20d0..=0x20ff)
}
