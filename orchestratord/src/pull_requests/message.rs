//! Messages of commits, from an agent's words: visible text, bounded, with nothing in it that a code
//! host or a CI would act on.

use unicode_normalization::UnicodeNormalization;

use super::names::hidden;

const SUBJECT_CHARS: usize = 100;
const BODY_CHARS: usize = 4_000;
/// What is looked at of a message; there are some of 100 MB.
pub(crate) const READ_BYTES: usize = 16 << 10;

/// The message of a rebuilt commit: the agent's subject and body, cleaned, or `fallback` where
/// nothing is left of them, and our trailer.
pub(crate) fn clean(raw: &[u8], fallback: &str, trailer: &str) -> String {
    let raw = &raw[..raw.len().min(READ_BYTES)];
    let text = inert(&String::from_utf8_lossy(raw));
    let mut lines = text.lines().skip_while(|line| line.is_empty());
    let mut subject = cut(lines.next().unwrap_or_default(), SUBJECT_CHARS);
    let body: Vec<&str> = lines.filter(|line| !is_trailer(line)).collect();
    let body = cut(body.join("\n").trim(), BODY_CHARS);
    if subject.is_empty() {
        subject = cut(&inert(fallback).replace('\n', " "), SUBJECT_CHARS);
    }
    if subject.is_empty() {
        "Change".clone_into(&mut subject);
    }
    if body.is_empty() {
        format!("{subject}\n\n{trailer}\n")
    } else {
        format!("{subject}\n\n{body}\n\n{trailer}\n")
    }
}

/// A name or address for an identity line of a commit.
pub(crate) fn identity(text: &str) -> String {
    let text: String = text
        .chars()
        .filter(|c| !hidden(*c) && !matches!(c, '<' | '>'))
        .take(200)
        .collect();
    text.trim_matches(|c: char| c.is_whitespace() || ".,:;\"'".contains(c))
        .to_owned()
}

fn cut(text: &str, chars: usize) -> String {
    text.chars()
        .take(chars)
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// Visible text in which no word means anything to a code host.
fn inert(text: &str) -> String {
    let visible: String = text
        .replace("\r\n", "\n")
        .nfc()
        .map(|c| if c == '\t' { ' ' } else { c })
        .filter(|c| *c == '\n' || !hidden(*c))
        .collect();
    let mut lines: Vec<String> = Vec::new();
    for line in visible.lines() {
        let line = without_commands(line.trim_end());
        let twice_empty = line.is_empty() && lines.last().is_some_and(String::is_empty);
        if !twice_empty {
            lines.push(line);
        }
    }
    lines.join("\n").trim_end().to_owned()
}

/// `@name` calls a person, `#1` and `GH-1` close issues, `[skip ci]` switches checks off.
fn without_commands(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        let acts = match c {
            '@' => next.is_alphanumeric(),
            '#' => next.is_ascii_digit(),
            '[' | ']' => true,
            _ => false,
        };
        match c {
            '[' => out.push('('),
            ']' => out.push(')'),
            _ if acts => {}
            _ => out.push(c),
        }
    }
    for (word, instead) in [("***NO_CI***", "NO_CI"), ("GH-", "GH "), ("gh-", "gh ")] {
        out = out.replace(word, instead);
    }
    without_issue_links(&out)
}

/// A link to an issue closes it as well as its number does.
fn without_issue_links(line: &str) -> String {
    let mut out = line.to_owned();
    for place in ["/issues/", "/pull/", "/merge_requests/"] {
        out = out.replace(place, &place.replace('/', " "));
    }
    out
}

/// `Co-authored-by: …`, `Signed-off-by: …`, `skip-checks: true`, `Change-Id: …`: said by us or nobody.
fn is_trailer(line: &str) -> bool {
    let Some((key, value)) = line.trim_start().split_once(':') else {
        return false;
    };
    let key = key.to_ascii_lowercase();
    let one_word = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    one_word
        && (key.ends_with("-by")
            || key.starts_with("cloud-code")
            || matches!(key.as_str(), "skip-checks" | "change-id" | "request-checks")
            || (key.contains('-') && value.trim_start().starts_with('<')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(raw: &str) -> String {
        clean(raw.as_bytes(), "The task", "Cloud-Code-Task: k3f9x2ab")
    }

    #[test]
    fn an_honest_message_stays_as_it_is() {
        assert_eq!(
            cleaned("Add a parser\n\nIt reads a:b pairs.\n- one\n- two\n"),
            "Add a parser\n\nIt reads a:b pairs.\n- one\n- two\n\nCloud-Code-Task: k3f9x2ab\n"
        );
    }

    #[test]
    fn nothing_in_a_message_acts_on_anything() {
        let text = cleaned(
            "\u{1b}]52;c;eA==\u{7}Fix [skip ci] for @acme/team\n\nCloses #12, fixes acme/app#3, \
             GH-4\nhttps://github.com/a/b/issues/7\nSigned-off-by: Boss <b@x>\n\
             Cloud-Code-Task: zzzzzzzz\nskip-checks: true\nCo-Authored-By: X <x@y>\n\u{202e}x\0y\rz",
        );
        for part in [
            "\u{1b}",
            "\u{7}",
            "[skip",
            "@acme",
            "#12",
            "#3",
            "GH-4",
            "/issues/",
            "Boss",
            "zzzzzzzz",
            "skip-checks",
            "<x@y>",
            "\u{202e}",
            "\0",
            "\r",
        ] {
            assert!(!text.contains(part), "{part:?} in {text:?}");
        }
        assert!(text.bytes().all(|b| b == b'\n' || b >= 0x20));
        assert!(text.ends_with("\n\nCloud-Code-Task: k3f9x2ab\n"));
    }

    #[test]
    fn a_huge_message_is_cut_and_an_empty_one_replaced() {
        let text = cleaned(&"x".repeat(10 << 20));
        assert!(text.len() < 200);
        assert!(cleaned("\u{1b}\n\n").starts_with("The task\n"));
        assert!(clean(b"", "", "T: x").starts_with("Change\n"));
        assert!(cleaned(&format!("a\n\n{}", "line\n".repeat(100_000))).len() < 5_000);
    }

    #[test]
    fn an_identity_stays_on_its_line() {
        assert_eq!(identity("Cloud <Code>\n\u{1b}[m "), "Cloud Code[m");
    }
}
