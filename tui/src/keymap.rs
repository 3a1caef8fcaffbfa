//! From keys to commands, by the registry.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::actions::{Command, ENTRIES, Scope};

/// A key, as far as the registry and the inputs tell keys apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A character, with Shift already in it.
    Char(char),
    /// A character with Ctrl.
    Ctrl(char),
    /// Enter.
    Enter,
    /// Escape.
    Esc,
    /// Tab.
    Tab,
    /// Tab with Shift.
    BackTab,
    /// Backspace.
    Backspace,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// Home.
    Home,
    /// End.
    End,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// F1.
    F1,
    /// Anything else.
    Other,
}

impl Key {
    /// The key of a terminal's event.
    #[must_use]
    pub(crate) fn of(event: &KeyEvent) -> Self {
        let named = [
            (KeyCode::Enter, Self::Enter),
            (KeyCode::Esc, Self::Esc),
            (KeyCode::Tab, Self::Tab),
            (KeyCode::BackTab, Self::BackTab),
            (KeyCode::Backspace, Self::Backspace),
            (KeyCode::Up, Self::Up),
            (KeyCode::Down, Self::Down),
            (KeyCode::Left, Self::Left),
            (KeyCode::Right, Self::Right),
            (KeyCode::Home, Self::Home),
            (KeyCode::End, Self::End),
            (KeyCode::PageUp, Self::PageUp),
            (KeyCode::PageDown, Self::PageDown),
            (KeyCode::F(1), Self::F1),
        ];
        if let KeyCode::Char(c) = event.code {
            if event.modifiers.contains(KeyModifiers::CONTROL) {
                return Self::Ctrl(c.to_ascii_lowercase());
            }
            let alone = !event
                .modifiers
                .intersects(KeyModifiers::ALT | KeyModifiers::SUPER);
            return if alone { Self::Char(c) } else { Self::Other };
        }
        named
            .into_iter()
            .find(|(code, _)| *code == event.code)
            .map_or(Self::Other, |(_, key)| key)
    }

    /// Reads keys as the registry writes them: `j`, `ctrl-d`, `g t`.
    #[must_use]
    pub(crate) fn sequence(text: &str) -> Option<Vec<Self>> {
        text.split(' ').map(Self::parse).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let mut chars = text.chars();
        if let (Some(c), None) = (chars.next(), chars.next()) {
            return Some(Self::Char(c));
        }
        if let Some(letter) = text.strip_prefix("ctrl-") {
            return letter.chars().next().map(Self::Ctrl);
        }
        match text {
            "enter" => Some(Self::Enter),
            "esc" => Some(Self::Esc),
            "tab" => Some(Self::Tab),
            "space" => Some(Self::Char(' ')),
            "up" => Some(Self::Up),
            "down" => Some(Self::Down),
            "left" => Some(Self::Left),
            "right" => Some(Self::Right),
            "home" => Some(Self::Home),
            "end" => Some(Self::End),
            "pageup" => Some(Self::PageUp),
            "pagedown" => Some(Self::PageDown),
            "f1" => Some(Self::F1),
            _ => None,
        }
    }
}

/// What keys mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// This.
    Command(Command),
    /// More keys have to follow.
    Prefix,
    /// Nothing.
    Nothing,
}

/// Looks keys up.
#[must_use]
pub(crate) fn meaning(scope: Scope, keys: &[Key]) -> Meaning {
    let mut prefix = false;
    for entry in ENTRIES.iter().filter(|entry| entry.counts_in(scope)) {
        for sequence in entry.keys.iter().filter_map(|key| Key::sequence(key)) {
            if sequence == keys {
                return Meaning::Command(entry.command);
            }
            prefix |= sequence.starts_with(keys);
        }
    }
    if prefix {
        Meaning::Prefix
    } else {
        Meaning::Nothing
    }
}

/// How a key is written on the screen.
#[must_use]
pub(crate) fn shown(key: &str) -> String {
    match key {
        "enter" => "Enter".to_owned(),
        "esc" => "Esc".to_owned(),
        "tab" => "Tab".to_owned(),
        "space" => "Space".to_owned(),
        "pageup" => "PgUp".to_owned(),
        "pagedown" => "PgDn".to_owned(),
        "up" | "down" | "left" | "right" | "home" | "end" | "f1" => {
            let (first, rest) = key.split_at(1);
            format!("{}{rest}", first.to_uppercase())
        }
        _ => key.replace("ctrl-", "^"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: KeyCode, modifiers: KeyModifiers) -> Key {
        Key::of(&KeyEvent::new(code, modifiers))
    }

    #[test]
    fn keys_are_looked_up_by_screen() {
        let a = [Key::Char('a')];
        assert_eq!(
            meaning(Scope::Approvals, &a),
            Meaning::Command(Command::Approve)
        );
        assert_eq!(meaning(Scope::Tasks, &a), Meaning::Command(Command::Accept));
        assert_eq!(meaning(Scope::Costs, &a), Meaning::Nothing);
    }

    #[test]
    fn g_waits_for_a_second_key() {
        let g = Key::Char('g');
        assert_eq!(meaning(Scope::Fleet, &[g]), Meaning::Prefix);
        assert_eq!(
            meaning(Scope::Fleet, &[g, g]),
            Meaning::Command(Command::Top)
        );
        assert_eq!(
            meaning(Scope::Fleet, &[g, Key::Char('x')]),
            Meaning::Nothing
        );
    }

    #[test]
    fn alt_is_never_mistaken_for_the_bare_key() {
        assert_eq!(of(KeyCode::Char('q'), KeyModifiers::ALT), Key::Other);
        assert_eq!(
            of(KeyCode::Char('C'), KeyModifiers::CONTROL),
            Key::Ctrl('c')
        );
        assert_eq!(of(KeyCode::Char('X'), KeyModifiers::SHIFT), Key::Char('X'));
        assert_eq!(of(KeyCode::Delete, KeyModifiers::NONE), Key::Other);
    }
}
