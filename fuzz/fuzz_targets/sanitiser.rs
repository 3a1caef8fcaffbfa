//! Text for a terminal, a prompt, a comment.

#![no_main]

use cloud_code::SafeText;
use cloud_code_domain::text::{fenced, inert, one_line, quoted, visible};
use cloud_code_fuzz::is_obeyed;

fn terminal(text: &str, cells: usize) {
    let safe = SafeText::bounded(text, cells);
    assert!(safe.width() <= cells);
    assert!(!safe.as_str().contains(is_obeyed), "{safe:?}");
    assert_eq!(
        SafeText::bounded(safe.as_str(), cells),
        safe,
        "twice is once"
    );
    assert!(safe.fit(7).width() <= 7);
    let lines = safe.wrap(5);
    assert!(lines.iter().all(|line| line.width() <= 5), "{lines:?}");
}

fn comment(text: &str, most: usize) {
    let line = one_line(text, most);
    assert!(
        !line.contains(is_obeyed) && line.chars().count() <= most,
        "{line:?}"
    );
    assert_eq!(one_line(&line, most), line, "twice is once");
    let shown = visible(text, most);
    assert!(!shown.contains(|c| c != '\n' && is_obeyed(c)), "{shown:?}");
    assert!(shown.chars().count() <= most);
    assert_eq!(visible(&shown, most), shown, "twice is once");
}

/// What a tracker is given of it: nothing that acts outside of code, and a fence that holds.
fn markdown(text: &str) {
    let harmless = inert(text);
    assert!(!harmless.contains(is_obeyed), "{harmless:?}");
    let outside = outside_of_code(&harmless);
    assert!(!outside.contains(['@', '<', '[', '#', '`']), "{harmless:?}");
    for block in [fenced(text), quoted(text)] {
        let Some(first) = block.lines().next() else {
            continue;
        };
        let fence: String = first.chars().take_while(|c| *c == '`').collect();
        let fences = block
            .lines()
            .filter(|line| line.trim_start().starts_with(&fence));
        assert!(fence.len() >= 3 && fences.count() == 2, "{block:?}");
    }
}

/// The text without its spans of code: from a run of backticks to the next one of the same length.
fn outside_of_code(text: &str) -> String {
    let (mut outside, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('`') {
        outside.push_str(&rest[..at]);
        let run = rest[at..].bytes().take_while(|byte| *byte == b'`').count();
        let mut inner = &rest[at + run..];
        loop {
            let Some(next) = inner.find('`') else {
                return outside + &rest[at..];
            };
            let closing = inner[next..]
                .bytes()
                .take_while(|byte| *byte == b'`')
                .count();
            inner = &inner[next + closing..];
            if closing == run {
                break;
            }
        }
        rest = inner;
    }
    outside + rest
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = cloud_code_fuzz::text(data);
    let bound = data.first().map_or(0, |byte| usize::from(*byte));
    terminal(&text, bound);
    terminal(&text, 4_096);
    comment(&text, bound);
    comment(&text, 4_096);
    markdown(&text);
});
