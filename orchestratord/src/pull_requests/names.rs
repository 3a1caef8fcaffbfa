//! Names of files that a person, a file system or git could take for something else.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

const MAX_NAME: usize = 255;

/// Whether a character is not what it looks like: controls, marks of writing direction, characters
/// without width, tags, private use.
pub(crate) fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{8e2}'
            | '\u{600}'..='\u{605}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}' | '\u{e000}'..='\u{f8ff}'
            | '\u{110bd}' | '\u{110cd}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{10ffff}')
}

/// A name as text that can be shown: what is hidden becomes `<U+XXXX>`, bytes that are no UTF-8 the
/// replacement character; cut at 200 characters.
pub(crate) fn visible(name: &[u8]) -> String {
    let mut text = String::new();
    for c in String::from_utf8_lossy(name).chars().take(200) {
        if hidden(c) {
            text.push_str(&format!("<U+{:04X}>", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}

/// Why a name is not accepted, if it is not.
pub(crate) fn broken_rule(name: &[u8]) -> Option<&'static str> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Some("a name has 1 to 255 bytes");
    }
    let Ok(text) = std::str::from_utf8(name) else {
        return Some("the name is no UTF-8");
    };
    if text == "." || text == ".." {
        return Some("the name means a directory");
    }
    if text.contains(['/', '\\']) {
        return Some("the name holds a separator");
    }
    if text.chars().any(hidden) {
        return Some("the name holds characters that cannot be seen");
    }
    let folded = folded(text);
    let short = folded
        .strip_prefix("git~")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    if folded == ".git" || short {
        return Some("some file systems take the name for .git");
    }
    None
}

/// Whether a file system could take the name for this one (given in lower case).
pub(crate) fn is_like(name: &[u8], wanted: &str) -> bool {
    std::str::from_utf8(name).is_ok_and(|text| folded(text) == wanted)
}

/// A name as the most forgiving file systems see it: without what they ignore, in one case, without
/// a stream, trailing dots and spaces.
pub(crate) fn folded(name: &str) -> String {
    let text: String = name.nfkc().filter(|c| !hidden(*c)).collect();
    let text = text.split(':').next().unwrap_or_default().to_lowercase();
    text.trim_end_matches(['.', ' ']).to_owned()
}

/// Two siblings with the same key are one file on some file system.
pub(crate) fn collision_key(name: &[u8]) -> Cow<'_, [u8]> {
    if name
        .iter()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(b))
    {
        return Cow::Borrowed(name);
    }
    match std::str::from_utf8(name) {
        Ok(text) => {
            let lower: String = text.nfc().collect::<String>().to_lowercase();
            Cow::Owned(lower.nfc().collect::<String>().into_bytes())
        }
        Err(_) => Cow::Borrowed(name),
    }
}

/// Why a link's target is not accepted, if it is not. `depth` is the number of directories above
/// the link.
///
/// `..` may stand only in front: behind a name it would be taken from wherever that name, itself a
/// link, leads.
pub(crate) fn broken_target(target: &[u8], depth: usize) -> Option<&'static str> {
    let Ok(text) = std::str::from_utf8(target) else {
        return Some("the link's target is no UTF-8");
    };
    if text.is_empty() || text.len() > 4096 {
        return Some("a link's target has 1 to 4096 bytes");
    }
    if text.chars().any(hidden) || text.contains('\\') {
        return Some("the link's target holds characters that cannot be seen");
    }
    if text.starts_with('/') || text.as_bytes().get(1) == Some(&b':') {
        return Some("the link's target is absolute");
    }
    let mut ups = 0;
    let mut named = false;
    for part in text
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
    {
        if part == ".." {
            if named {
                return Some("the link's target has '..' behind a name");
            }
            ups += 1;
        } else {
            named = true;
            if broken_rule(part.as_bytes()).is_some() {
                return Some("the link's target holds a name that is not accepted");
            }
        }
    }
    (ups > depth).then_some("the link leads out of the tree")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_file_system_takes_for_git_is_refused() {
        for name in [
            ".git",
            ".GIT",
            ".Git",
            "git~1",
            "GIT~1",
            "git~23",
            ".git ",
            ".git.",
            ".git. .",
            ".git::$INDEX_ALLOCATION",
            ".g\u{200c}it",
            ".gi\u{200b}t",
            "\u{feff}.git",
            ".ｇit",
            "..",
            ".",
            "a/b",
            "a\\b",
            "a\nb",
            "\u{1b}]52;c;x\u{7}",
            "a\u{202e}b",
            "",
        ] {
            assert!(broken_rule(name.as_bytes()).is_some(), "{name:?}");
        }
        assert!(broken_rule(b"\xff").is_some());
        for name in [
            ".gitignore",
            ".github",
            "git",
            "Größe.txt",
            "日本語",
            "a b",
            "git~",
            "x~1",
        ] {
            assert!(broken_rule(name.as_bytes()).is_none(), "{name:?}");
        }
    }

    #[test]
    fn names_that_differ_only_in_case_or_composition_collide() {
        let same = |a: &str, b: &str| collision_key(a.as_bytes()) == collision_key(b.as_bytes());
        assert!(same("readme", "README"));
        assert!(same("\u{e9}", "e\u{301}"));
        assert!(same("STRASSE", "strasse"));
        assert!(!same("a", "b"));
    }

    #[test]
    fn a_link_stays_in_the_tree_whatever_other_links_do() {
        for (target, depth) in [("b", 0), ("../b", 1), ("./a/b", 0), ("../../x", 2)] {
            assert_eq!(broken_target(target.as_bytes(), depth), None, "{target}");
        }
        for (target, depth) in [
            ("/etc/passwd", 3),
            ("..", 0),
            ("../x", 0),
            ("a/../../x", 1),
            ("deep/link/../x", 3),
            (".git/config", 0),
            ("C:\\x", 0),
            ("", 0),
        ] {
            assert!(
                broken_target(target.as_bytes(), depth).is_some(),
                "{target}"
            );
        }
    }

    #[test]
    fn a_shown_name_holds_nothing_hidden() {
        assert_eq!(
            visible(b"a\x1b]52;c;x\x07\n"),
            "a<U+001B>]52;c;x<U+0007><U+000A>"
        );
    }
}
