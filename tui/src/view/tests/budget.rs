//! What a key costs over ssh, in bytes. A reply of one segment (about 1,400 bytes) is one packet.

use super::*;

/// Bytes of one frame after another, while the selection moves down.
fn moves(size: (u16, u16), screen: Screen, rows: std::ops::Range<usize>) -> Vec<u64> {
    let mut snapshot = synthetic::snapshot(synthetic::NOW);
    let patterns = snapshot.tasks.clone();
    snapshot.tasks = (0u64..1_000)
        .zip(patterns.iter().cycle())
        .map(|(number, task)| v1::Task {
            id: format!("t{number:07}"),
            issue_number: Some(number),
            ..task.clone()
        })
        .collect();
    let mut state = State {
        link: Link::Live,
        ..State::default()
    };
    state.apply(Message::Snapshot(snapshot));
    let mut ui = ui(screen, size, &state);
    let mut terminal = Terminal::new(
        Vec::new(),
        size.0,
        size.1,
        Capabilities::of("xterm-256color"),
    );
    let ids = crate::selection::ids(&state, &ui);
    let mut bytes = Vec::new();
    for row in rows {
        if let Some(cursor) = ui.cursor() {
            cursor.select(&ids, row);
        }
        let (buffer, info) = render(&state, &ui);
        crate::app::absorb(&mut ui, &info);
        terminal.next().clone_from(&buffer);
        let before = terminal.written();
        terminal
            .flush(info.cursor, info.typing)
            .expect("a vector takes it");
        bytes.push(terminal.written() - before);
    }
    bytes
}

#[test]
fn a_key_costs_no_more_than_a_packet() {
    for size in SIZES {
        let inside = moves(size, Screen::Tasks, 0..10);
        let scrolling = moves(size, Screen::Tasks, 100..120);
        for bytes in inside[1..].iter().chain(&scrolling[1..]) {
            assert!(*bytes < 1_400, "{size:?}: {inside:?} {scrolling:?}");
        }
    }
}
