//! Signs that take one cell in every terminal.
//!
//! All of them are of East Asian width Neutral, but for box drawing, `…` and `·`, which every
//! terminal program relies on. Where the locale is not UTF-8, or on a console without these signs,
//! everything is drawn in ASCII, also what comes from outside.

use crate::state::Mark;
use crate::theme::Role;

/// Whether only ASCII can be shown, by the environment.
#[must_use]
pub(crate) fn ascii_only(get: impl Fn(&str) -> Option<String>) -> bool {
    let term = get("TERM").unwrap_or_default();
    if term == "linux" || term.starts_with("vt") {
        return true;
    }
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(get)
        .find(|value| !value.is_empty())
        .unwrap_or_default()
        .to_lowercase();
    !(locale.contains("utf-8") || locale.contains("utf8"))
}

/// The glyph of a mark.
#[must_use]
pub(crate) fn glyph(mark: Mark) -> &'static str {
    match mark {
        Mark::Working => "▸",
        Mark::Idle => "◌",
        Mark::Starting => "↻",
        Mark::Attention => "!",
        Mark::Blocked => "⊘",
        Mark::Failed => "✗",
        Mark::Done => "✓",
        Mark::Review => "⊚",
        Mark::Assigned => "▹",
        Mark::Stopped => "▪",
        Mark::Unknown => "?",
    }
}

/// The role of a mark.
#[must_use]
pub(crate) fn role(mark: Mark) -> Role {
    match mark {
        Mark::Working => Role::Working,
        Mark::Idle => Role::Idle,
        Mark::Starting => Role::Starting,
        Mark::Attention => Role::Attention,
        Mark::Blocked => Role::Blocked,
        Mark::Failed => Role::Failed,
        Mark::Done => Role::Done,
        Mark::Review => Role::Review,
        Mark::Assigned => Role::Assigned,
        Mark::Stopped => Role::Stopped,
        Mark::Unknown => Role::Unknown,
    }
}

/// What stands for a cluster where only ASCII can be shown.
#[must_use]
pub(crate) fn ascii(cluster: &str) -> &str {
    if cluster.is_ascii() {
        return cluster;
    }
    match cluster {
        "▸" | "›" => ">",
        "◌" | "·" => ".",
        "↻" | "…" => "~",
        "⊘" | "█" => "#",
        "✗" | "×" => "x",
        "✓" | "┌" | "┐" | "└" | "┘" | "├" | "┤" => "+",
        "⊚" => "R",
        "▹" | "─" | "—" | "–" | "░" => "-",
        "▪" => "_",
        "│" | "▏" => "|",
        "“" | "”" => "\"",
        "≥" => ">",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;

    #[test]
    fn every_mark_has_a_sign_of_its_own_in_both_sets() {
        let unicode: std::collections::HashSet<&str> =
            Mark::ALL.iter().map(|mark| glyph(*mark)).collect();
        assert_eq!(unicode.len(), Mark::ALL.len());
        let plain: std::collections::HashSet<&str> =
            unicode.iter().map(|sign| ascii(sign)).collect();
        assert_eq!(plain.len(), Mark::ALL.len());
        assert!(unicode.iter().all(|sign| sign.width() == 1));
    }

    #[test]
    fn the_locale_decides() {
        let with = |value: &'static str| {
            ascii_only(move |name| (name == "LANG").then(|| value.to_owned()))
        };
        assert!(!with("en_GB.UTF-8") && !with("C.utf8"));
        assert!(with("C") && with(""));
    }
}
