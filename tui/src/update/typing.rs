//! What a key does to a line that is typed: the same for a filter, a list to choose from and a
//! name that is asked for.

use crate::keymap::Key;

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typed {
    /// It adds a character.
    Char(char),
    /// It takes the last character away.
    Erase,
    /// It takes all of them away.
    Clear,
    /// It ends the line.
    Enter,
    /// It gives the line up.
    GiveUp,
    /// It goes to the next row or field.
    Next,
    /// It goes to the one before.
    Previous,
    /// Nothing.
    Nothing,
}

impl Typed {
    /// What this key does.
    pub(super) fn of(key: Key) -> Self {
        match key {
            Key::Char(c) => Self::Char(c),
            Key::Backspace => Self::Erase,
            Key::Ctrl('u') => Self::Clear,
            Key::Enter => Self::Enter,
            Key::Esc | Key::Ctrl('c') => Self::GiveUp,
            Key::Down | Key::Tab => Self::Next,
            Key::Up | Key::BackTab => Self::Previous,
            Key::Ctrl(_)
            | Key::Left
            | Key::Right
            | Key::Home
            | Key::End
            | Key::PageUp
            | Key::PageDown
            | Key::F1
            | Key::Other => Self::Nothing,
        }
    }
}
