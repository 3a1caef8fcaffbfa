//! The picture is the snapshot of the real screen.

use cloud_code_tests::readme as page;

const SNAPSHOT: &str = "tui/src/view/snapshots/cloud_code__view__tests__readme_100x28.snap";

const BEGIN: &str = "tests/readme/ -->\n";
const END: &str = "<!-- end of the picture -->";

/// The screen, as the client's own test has it.
fn screen() -> String {
    let snapshot = std::fs::read_to_string(page::root().join(SNAPSHOT)).unwrap();
    let (_, screen) = snapshot.split_once("\n---\n").unwrap();
    format!("```text\n{}\n```\n", screen.trim_end())
}

#[test]
fn the_picture_is_the_screen() {
    let (text, screen) = (page::text(), screen());
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (picture, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_README").is_some() {
        let text = format!("{before}{BEGIN}{screen}{END}{after}");
        std::fs::write(page::path(), text).unwrap();
    } else {
        assert_eq!(
            picture, screen,
            "run it again with UPDATE_README=1, and read the difference"
        );
    }
}
