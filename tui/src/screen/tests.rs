use proptest::prelude::*;
use ratatui::style::{Color, Modifier, Style};

use super::*;

fn cells(count: u16) -> std::num::NonZero<u16> {
    count.try_into().expect("not nothing")
}

fn screen(columns: u16, rows: u16) -> Screen<Vec<u8>> {
    Screen::new(
        Vec::new(),
        columns,
        rows,
        Capabilities::of("xterm-256color"),
    )
}

fn put(screen: &mut Screen<Vec<u8>>, x: u16, y: u16, text: &str, style: Style) {
    screen.next().set_string(x, y, text, style);
}

#[test]
fn nothing_is_written_where_nothing_changed() {
    let mut screen = screen(20, 4);
    put(&mut screen, 0, 0, "hello", Style::new());
    screen.flush(Some((3, 1)), false).expect("written");
    let written = screen.written();
    assert!(written > 0);
    screen.flush(Some((3, 1)), false).expect("written");
    assert_eq!(screen.written(), written);
}

#[test]
fn a_changed_word_costs_little_more_than_the_word() {
    let mut screen = screen(160, 50);
    for y in 0..50 {
        put(
            &mut screen,
            0,
            y,
            &"x".repeat(160),
            Style::new().fg(Color::Rgb(1, 2, 3)),
        );
    }
    screen.flush(None, false).expect("written");
    let before = screen.written();
    put(&mut screen, 80, 25, "word", Style::new());
    screen.flush(None, false).expect("written");
    assert!(
        screen.written() - before < 50,
        "{}",
        screen.written() - before
    );
}

#[test]
fn every_frame_is_bracketed_and_one_write() {
    struct Writes(Vec<Vec<u8>>);
    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.to_vec());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut screen = Screen::new(Writes(Vec::new()), 40, 5, Capabilities::default());
    for word in ["one", "two", "three"] {
        screen.next().set_string(0, 0, word, Style::new());
        screen.flush(Some((0, 0)), true).expect("written");
    }
    let writes = screen.into_out().0;
    assert_eq!(writes.len(), 3);
    for write in writes {
        assert!(write.starts_with(b"\x1b[?2026h") && write.ends_with(b"\x1b[?2026l"));
    }
}

#[test]
fn a_control_character_in_a_cell_is_written_as_a_blank() {
    let mut screen = screen(4, 1);
    if let Some(cell) = screen.next().cell_mut((0, 0)) {
        cell.set_symbol("\x1b[2J");
    }
    screen.flush(None, false).expect("written");
    let text = String::from_utf8(screen.into_out()).expect("UTF-8");
    assert_eq!(
        text.matches("\x1b[2J").count(),
        1,
        "our own, at the start: {text:?}"
    );
}

#[test]
fn a_list_that_moves_by_a_row_costs_about_a_row() {
    let mut screen = screen(160, 50);
    let mut list = |top: usize| {
        *screen.next() = Buffer::empty(Rect::new(0, 0, 160, 50));
        put(
            &mut screen,
            0,
            0,
            "a header that stays where it is",
            Style::new(),
        );
        for y in 1..48u16 {
            let text = format!(
                "{:<159}",
                format!("row {} of a long list", top + usize::from(y))
            );
            put(
                &mut screen,
                0,
                y,
                &text,
                Style::new().fg(Color::Rgb(1, 2, 3)),
            );
        }
        put(
            &mut screen,
            0,
            49,
            "a footer that stays where it is",
            Style::new(),
        );
        let before = screen.written();
        screen.flush(None, false).expect("written");
        screen.written() - before
    };
    assert!(list(0) > 1_000);
    for top in [1, 2, 4, 3] {
        let bytes = list(top);
        assert!(bytes < 250, "{bytes}");
    }
}

/// Something to draw: where, what, how.
type Stroke = (u16, u16, String, u8, u8);

fn strokes() -> impl Strategy<Value = Vec<Stroke>> {
    let words = prop_oneof![
        Just("hello world".to_owned()),
        Just("   ".to_owned()),
        Just("日本語".to_owned()),
        Just("e\u{301}x".to_owned()),
        Just(" ".repeat(40)),
        "[a-z ]{1,12}",
    ];
    proptest::collection::vec((0u16..40, 0u16..8, words, 0u8..6, 0u8..5), 1..12)
}

fn style(color: u8, modifier: u8) -> Style {
    let style = match color {
        0 => Style::new(),
        1 => Style::new().fg(Color::Rgb(200, 10, 10)),
        2 => Style::new().bg(Color::Indexed(100)),
        3 => Style::new().fg(Color::Indexed(9)).bg(Color::Rgb(0, 0, 80)),
        4 => Style::new().fg(Color::Indexed(3)),
        _ => Style::reset(),
    };
    style.add_modifier(match modifier {
        1 => Modifier::BOLD,
        2 => Modifier::REVERSED,
        3 => Modifier::UNDERLINED,
        _ => Modifier::empty(),
    })
}

/// Whether a terminal shows the buffer: text, colours and what is seen of attributes.
fn compare(terminal: &vt100::Screen, buffer: &Buffer) {
    let mut covered = false;
    for y in 0..buffer.area.height {
        for x in 0..buffer.area.width {
            if std::mem::take(&mut covered) {
                continue;
            }
            let cell = buffer.cell((x, y)).expect("inside");
            let shown = terminal.cell(y, x).expect("inside");
            covered = shown.is_wide();
            let text = if shown.contents().is_empty() {
                " "
            } else {
                shown.contents()
            };
            assert_eq!(text, cell.symbol(), "at {x},{y}");
            assert_eq!(shown.bgcolor(), color(cell.bg), "background at {x},{y}");
            assert_eq!(
                shown.inverse(),
                cell.modifier.contains(Modifier::REVERSED),
                "at {x},{y}"
            );
            assert_eq!(
                shown.underline(),
                cell.modifier.contains(Modifier::UNDERLINED),
                "at {x},{y}"
            );
            if text != " " {
                assert_eq!(shown.fgcolor(), color(cell.fg), "colour at {x},{y}");
                assert_eq!(
                    shown.bold(),
                    cell.modifier.contains(Modifier::BOLD),
                    "at {x},{y}"
                );
            }
        }
    }
}

fn color(color: Color) -> vt100::Color {
    if let Color::Rgb(r, g, b) = color {
        vt100::Color::Rgb(r, g, b)
    } else if let Color::Indexed(index) = color {
        vt100::Color::Idx(index)
    } else {
        vt100::Color::Default
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_list_that_moves_is_shown_as_it_was_drawn(tops in proptest::collection::vec(0usize..12, 1..10), marks in any::<u16>()) {
        let mut screen = screen(40, 8);
        let mut terminal = vt100::Parser::new(cells(8), cells(40), 0);
        for (frame, top) in tops.into_iter().enumerate() {
            *screen.next() = Buffer::empty(Rect::new(0, 0, 40, 8));
            put(&mut screen, 0, 0, "header", style(2, 1));
            for y in 1..7u16 {
                let row = top + usize::from(y);
                let marked = marks >> ((row + frame) % 16) & 1 == 1;
                put(&mut screen, 0, y, &format!("{row} 日本 row"), style(1, 0));
                if marked {
                    put(&mut screen, 0, y, &" ".repeat(40), style(3, 0));
                }
            }
            screen.flush(None, false).expect("written");
            terminal.process(&std::mem::take(&mut screen.out));
            compare(terminal.screen(), &screen.next);
        }
    }

    #[test]
    fn a_terminal_shows_every_frame_as_it_was_drawn(frames in proptest::collection::vec(strokes(), 1..6), bce in any::<bool>()) {
        let mut screen = screen(40, 8);
        screen.capabilities.erases_in_colour = bce;
        let mut terminal = vt100::Parser::new(cells(8), cells(40), 0);
        for frame in frames {
            *screen.next() = Buffer::empty(Rect::new(0, 0, 40, 8));
            for (x, y, text, colors, modifier) in &frame {
                put(&mut screen, *x, *y, text, style(*colors, *modifier));
            }
            screen.flush(None, false).expect("written");
            terminal.process(&std::mem::take(&mut screen.out));
            compare(terminal.screen(), &screen.next);
        }
    }
}
