use proptest::prelude::*;

use super::*;

#[test]
fn what_cannot_be_seen_is_gone() {
    for (text, seen) in [
        (
            "a\u{200b}b\u{200c}c\u{200d}d\u{2060}e\u{feff}f\u{ad}g",
            "abcdefg",
        ),
        (
            "\u{202e}abc\u{202c}\u{2066}x\u{2069}\u{200f}\u{61c}",
            "abcx",
        ),
        (
            "hi\u{e0001}\u{e0063}\u{e0075}\u{e0072}\u{e006c}\u{e007f}",
            "hi",
        ),
        ("a\u{fe00}\u{e0100}\u{e01ef}b", "ab"),
        ("\u{3164}\u{115f}\u{1160}\u{ffa0}\u{34f}x", "x"),
        (
            "\u{e000}\u{f8ff}\u{f0000}\u{10fffd}\u{fdd0}\u{ffff}\u{1fffe}y",
            "y",
        ),
        (
            "\u{1b}]52;c;ZXZpbA==\u{7}\u{9b}31mred\u{0}\u{7f}",
            "]52;c;ZXZpbA==31mred",
        ),
        ("x\u{2800}y\u{a0}z\u{3000}w", "x y z w"),
    ] {
        assert_eq!(visible(text, 100), seen, "{text:?}");
    }
}

#[test]
fn every_line_end_is_one() {
    let text = "a\r\nb\rc\u{2028}d\u{2029}e\u{85}f\n\tg  \n\n";
    assert_eq!(visible(text, 100), "a\nb\nc\nd\ne\nf\n    g");
    assert_eq!(one_line(text, 100), "a b c d e f g");
}

#[test]
fn an_emoji_stays_whole_and_a_joiner_stays_nowhere_else() {
    let whole = "👩‍💻 👩🏽‍🚀 ❤️‍🔥 🏳️‍🌈 1️⃣ ☺️";
    assert_eq!(visible(whole, 100), whole);
    assert_eq!(
        visible("a\u{200d}b 👩\u{200d}b a\u{200d}👩 x\u{fe0f}", 100),
        "ab 👩b a👩 x"
    );
    // cut within the emoji, the joiner would hang in the air
    assert_eq!(visible("👩\u{200d}💻", 3), "👩\u{200d}💻");
    assert_eq!(visible("👩\u{200d}💻!", 3), "👩…");
}

#[test]
fn text_is_composed_and_carries_no_towers() {
    assert_eq!(visible("cafe\u{301}", 100), "caf\u{e9}");
    let tower = format!("z{}y", "\u{35c}".repeat(5_000));
    assert_eq!(visible(&tower, 100), format!("z{}y", "\u{35c}".repeat(4)));
    // the Greek accent that becomes a backtick, the question mark that becomes a semicolon
    assert_eq!(visible("\u{1fef}\u{37e}", 100), "`;");
}

#[test]
fn comments_are_gone() {
    for (text, seen) in [
        ("a <!-- hidden --> b", "a  b"),
        ("a<!--\nhidden\n-->b", "ab"),
        ("<!-->a<!--->b", "ab"),
        ("a <!-<!-- x -->- hidden --> b", "a  b"),
        ("a <!\u{200b}-- hidden --> b", "a  b"),
        ("a\n<!-- hidden\nhidden too", "a"),
        ("a\n> - <!-- hidden", "a\n> -"),
        (
            "the parser fails on `<!--` here\nand here",
            "the parser fails on `<!--` here\nand here",
        ),
        ("on `<!--` here\n  <!-- hidden", "on `<!--` here"),
        ("a --> b", "a --> b"),
    ] {
        assert_eq!(visible(text, 1_000), seen, "{text:?}");
    }
}

#[test]
fn a_text_full_of_marks_is_read_once() {
    // The file of a report may be this big; a second look per mark would take minutes.
    let marks = "<!--".repeat(250_000);
    assert_eq!(visible(&format!("a {marks}"), usize::MAX).len(), 1_000_002);
    assert_eq!(visible(&marks, usize::MAX), "");
    assert_eq!(visible(&"<!-- x -->".repeat(100_000), usize::MAX), "");
    let backticks = "`` ` ".repeat(200_000);
    assert!(inert(&backticks).len() < 10_000);
}

#[test]
fn text_is_cut_where_it_is_too_long() {
    assert_eq!(visible("abc", 3), "abc");
    assert_eq!(visible("abcd", 3), "ab…");
    assert_eq!(visible("a  d", 3), "a…");
    assert_eq!(visible("abcd", 1), "…");
    assert_eq!(visible("abcd", 0), "");
    assert_eq!(one_line("  a \n b  ", 3), "a b");
    assert_eq!(one_line("áéíóú", 4), "áéí…");
}

#[test]
fn a_fence_is_longer_than_any_run_within() {
    assert_eq!(fenced("a"), "```text\na\n```");
    assert_eq!(fenced("````\nb"), "`````text\n````\nb\n`````");
    assert_eq!(fenced("\u{1fef}\u{1fef}\u{1fef}"), "````text\n```\n````");
    assert_eq!(
        quoted("ok\n  /merge\n// x"),
        "```text\nok\n>   /merge\n> // x\n```"
    );
}

#[test]
fn words_that_could_act_become_code_and_others_stay() {
    for (text, shown) in [
        (
            "Add the login form (done, 8 tests)!",
            "Add the login form (done, 8 tests)!",
        ),
        (
            "closes #1, fixes acme/app#2 and GH-3",
            "closes `#1`, fixes `acme/app#2` and `GH-3`",
        ),
        ("thanks @octocat", "thanks `@octocat`"),
        (
            "see https://evil.example/x?y=z",
            "see `https://evil.example/x?y=z`",
        ),
        ("see www.evil.example", "see `www.evil.example`"),
        (
            "![x](https://evil.example/b.png)",
            "`![x](https://evil.example/b.png)`",
        ),
        ("[x](javascript:alert(1))", "`[x](javascript:alert(1))`"),
        (
            "<img src=x onerror=y> &amp; <!--",
            "`<img` src=x `onerror=y>` `&amp`; `<!--`",
        ),
        ("in deadbeef1", "in `deadbeef1`"),
        ("/merge now", "`/merge` now"),
        ("- [x] done", "`-` `[x]` done"),
        ("1. first", "`1`. first"),
        ("--- a", "`---` a"),
        ("use `cargo test -p x` here", "use `cargo test -p x` here"),
        ("rename `a`@b", "rename `a` `@b`"),
        (
            "an open ` mark and ``two",
            "an open `` ` `` mark and ``` ``two ```",
        ),
        (
            "*bold* snake_case a|b $x$ \\",
            "`*bold*` `snake_case` `a|b` `$x$` `\\`",
        ),
        ("", ""),
    ] {
        assert_eq!(inert(text), shown, "{text:?}");
    }
}

/// The text outside code, read as CommonMark reads it: from left to right, a run of backticks
/// closed by the next run of the same length. Written apart from what it checks.
fn outside_code(line: &str) -> String {
    let mut chars: Vec<char> = line.chars().collect();
    let mut outside = String::new();
    while !chars.is_empty() {
        let run = chars.iter().take_while(|c| **c == '`').count();
        if run == 0 {
            outside.push(chars.remove(0));
            continue;
        }
        let mut at = run;
        let mut closed = None;
        while at < chars.len() {
            let closing = chars[at..].iter().take_while(|c| **c == '`').count();
            if closing == run {
                closed = Some(at + closing);
                break;
            }
            at += closing.max(1);
        }
        outside.extend(std::iter::repeat_n(
            '`',
            if closed.is_some() { 0 } else { run },
        ));
        chars.drain(..closed.unwrap_or(run));
    }
    outside
}

fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,6}",
        any::<char>().prop_map(String::from),
        prop::sample::select(vec![
            "`",
            "``",
            "```",
            "@a",
            "#1",
            "GH-7",
            "https://x.y",
            "<!--",
            "-->",
            "<!-",
            "->",
            "[",
            "](",
            " ",
            "\n",
            "\r",
            "\t",
            "\\",
            "\u{200d}",
            "👩",
            "💻",
            "\u{fe0f}",
            "\u{301}",
            "\u{1fef}",
            "deadbee",
            "- ",
            "1. ",
            "/merge",
            "fixes ",
            "$",
            "*",
            "_",
            "|",
            "&lt;",
            "\u{2028}",
            "\u{e0041}",
            "\u{202e}",
            "> ",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn visible_text_has_nothing_hidden_and_stays_as_it_is(text in nasty(), max in 0_usize..80) {
        let seen = visible(&text, max);
        prop_assert!(seen.chars().count() <= max);
        prop_assert_eq!(&visible(&seen, max), &seen);
        prop_assert_eq!(seen.nfc().collect::<String>(), seen.clone());
        for c in seen.chars() {
            prop_assert!(c == '\n' || !c.is_control(), "{c:?}");
            prop_assert!(!matches!(c, '\u{200b}'..='\u{200c}' | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{e0000}'..='\u{e0fff}'
                | '\u{e000}'..='\u{f8ff}' | '\u{feff}'), "{c:?}");
        }
    }

    #[test]
    fn a_line_is_one_line_and_stays_as_it_is(text in nasty(), max in 0_usize..80) {
        let line = one_line(&text, max);
        prop_assert!(line.chars().count() <= max);
        prop_assert!(!line.contains('\n') && line.trim() == line);
        prop_assert_eq!(&one_line(&line, max), &line);
    }

    #[test]
    fn nothing_outside_code_acts(text in nasty()) {
        let line = inert(&text);
        prop_assert!(!line.contains('\n'));
        let outside = outside_code(&line);
        let acting = outside.contains(|c| "@#<>&[]*_~|\\`$".contains(c))
            || outside.contains("://")
            || outside.to_lowercase().contains("www.");
        prop_assert!(!acting, "{outside:?} of {line:?}");
    }

    #[test]
    fn no_line_within_closes_the_fence(text in nasty()) {
        for block in [fenced(&text), quoted(&text)] {
            let lines: Vec<&str> = block.lines().collect();
            let fence = lines[lines.len() - 1];
            prop_assert!(fence.len() >= 3 && fence.chars().all(|c| c == '`'));
            prop_assert_eq!(lines[0], format!("{fence}text"));
            for line in &lines[1..lines.len() - 1] {
                prop_assert!(!line.contains(fence));
            }
        }
        let commands = quoted(&text);
        prop_assert!(commands.lines().all(|line| !line.trim_start().starts_with('/')));
    }
}
