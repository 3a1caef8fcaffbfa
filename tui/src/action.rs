//! What is meant by what came in.

use crossterm::event::{Event as TerminalEvent, KeyEvent, KeyEventKind};

use crate::actions::Command;
use crate::event::{Event, Reply};
use crate::keymap::{Key, Meaning, meaning};
use crate::link::LinkEvent;
use crate::ui::{Mode, Ui};

/// What is meant.
#[derive(Debug)]
pub(crate) enum Action {
    /// A command of the registry.
    Do(Command),
    /// The first key of several.
    Prefix(Key),
    /// A key that means nothing here.
    Unbound,
    /// A key for what is being typed or asked.
    Type(KeyEvent),
    /// Pasted text.
    Paste(String),
    /// The terminal has another size.
    Resize(u16, u16),
    /// The link has to say something.
    Link(LinkEvent),
    /// A call was answered.
    Hear(Reply),
    /// Time went by.
    Tick,
    /// The program has to end.
    Stop,
    /// Nothing.
    Nothing,
}

impl Action {
    /// What an event means while the operator does this.
    #[must_use]
    pub(crate) fn of(event: Event, ui: &Ui) -> Self {
        match event {
            Event::Terminal(event) => Self::of_terminal(event, ui),
            Event::Link(event) => Self::Link(event),
            Event::Reply(reply) => Self::Hear(reply),
            Event::Stop => Self::Stop,
            Event::Tick => Self::Tick,
        }
    }

    fn of_terminal(event: TerminalEvent, ui: &Ui) -> Self {
        match event {
            TerminalEvent::Key(key) if key.kind == KeyEventKind::Release => Self::Nothing,
            TerminalEvent::Key(key) => Self::of_key(key, ui),
            TerminalEvent::Paste(text) => Self::Paste(text),
            TerminalEvent::Resize(columns, rows) => Self::Resize(columns, rows),
            TerminalEvent::FocusGained | TerminalEvent::FocusLost | TerminalEvent::Mouse(_) => {
                Self::Nothing
            }
        }
    }

    fn of_key(event: KeyEvent, ui: &Ui) -> Self {
        let key = Key::of(&event);
        if !matches!(ui.mode, Mode::Browse) {
            return Self::Type(event);
        }
        let mut keys = ui.pending.clone();
        keys.push(key);
        match meaning(ui.screen.scope(), &keys) {
            Meaning::Command(command) => Self::Do(command),
            Meaning::Prefix => Self::Prefix(key),
            Meaning::Nothing => Self::Unbound,
        }
    }
}
