use cloud_code_proto::v1;
use cloud_code_proto::v1::watch_response::Message;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{DrawInfo, Look, draw};
use crate::effect::Ask;
use crate::safe_text::SafeText;
use crate::screen::{Capabilities, Screen as Terminal};
use crate::state::{Dimension, Link, LogSource, State};
use crate::synthetic;
use crate::theme::{ColorLevel, Theme, ThemeName};
use crate::ui::{
    Composer, Confirm, DraftKey, Field, LineKind, LinePrompt, Mode, Now, PickKind, Picker, Screen,
    TaskTab, Tone, Ui,
};

mod budget;
mod hostile;
mod room;

fn fleet() -> State {
    let mut state = State {
        link: Link::Live,
        ..State::default()
    };
    state.apply(Message::Snapshot(synthetic::snapshot(synthetic::NOW)));
    state.costs.rows = synthetic::costs();
    state.costs.days = 1;
    state.detail.open("s6y9v7mn");
    let detail = synthetic::detail("s6y9v7mn", synthetic::NOW).expect("known");
    state.detail.take("s6y9v7mn", Ok(detail));
    let stream = state.logs.open(LogSource::Task("s6y9v7mn".to_owned()));
    let response = v1::LogsResponse {
        execution: "s6y9v7mn-2".to_owned(),
        lines: synthetic::log(synthetic::NOW),
        dropped: 12,
        ..v1::LogsResponse::default()
    };
    state.logs.extend(stream, &response);
    state
}

fn ui(screen: Screen, size: (u16, u16), state: &State) -> Ui {
    let mut ui = Ui::new(size, ThemeName::Night);
    ui.screen = screen;
    let ids = crate::selection::ids(state, &ui);
    if let Some(cursor) = ui.cursor() {
        cursor.select(&ids, 0);
    }
    ui
}

fn render_with(state: &State, ui: &Ui, theme: &Theme, ascii: bool) -> (Buffer, DrawInfo) {
    let area = Rect::new(0, 0, ui.size.0, ui.size.1);
    let mut buffer = Buffer::empty(area);
    let zone = TimeZone::UTC;
    let look = Look {
        theme,
        ascii,
        zone: &zone,
        now: Now {
            wall: synthetic::NOW,
            mono: 60_000,
        },
    };
    let info = draw(state, ui, &look, area, &mut buffer);
    (buffer, info)
}

fn render(state: &State, ui: &Ui) -> (Buffer, DrawInfo) {
    let theme = Theme::built_in(ThemeName::Night, ColorLevel::True);
    render_with(state, ui, &theme, false)
}

/// The text of a screen, without the blanks at the ends of rows.
fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let rows = buffer.content.chunks(width).map(|row| {
        let mut line = String::new();
        let mut covered = false;
        for cell in row {
            if !std::mem::take(&mut covered) {
                line.push_str(cell.symbol());
                covered = SafeText::new(cell.symbol()).width() > 1;
            }
        }
        line.trim_end().to_owned()
    });
    rows.collect::<Vec<_>>().join("\n")
}

const SIZES: [(u16, u16); 2] = [(80, 24), (160, 50)];

fn snapshot(name: &str, state: &State, prepare: impl Fn(&mut Ui), screen: Screen) {
    for size in SIZES {
        let mut ui = ui(screen, size, state);
        prepare(&mut ui);
        let (buffer, _) = render(state, &ui);
        insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), text(&buffer));
    }
}

#[test]
fn every_screen_looks_as_it_did() {
    let state = fleet();
    for (name, screen) in [
        ("fleet", Screen::Fleet),
        ("tasks", Screen::Tasks),
        ("task", Screen::Task),
        ("logs", Screen::Logs),
        ("costs", Screen::Costs),
        ("approvals", Screen::Approvals),
        ("activity", Screen::Activity),
    ] {
        snapshot(name, &state, |_| {}, screen);
    }
}

/// The README shows this one, and a test of its own compares.
#[test]
fn the_picture_in_the_readme_looks_as_it_did() {
    let state = fleet();
    let (buffer, _) = render(&state, &ui(Screen::Tasks, (100, 28), &state));
    insta::assert_snapshot!("readme_100x28", text(&buffer));
}

#[test]
fn every_part_of_a_task_looks_as_it_did() {
    let state = fleet();
    for (name, tab) in [
        ("task_diff", TaskTab::Diff),
        ("task_messages", TaskTab::Messages),
        ("task_runs", TaskTab::Runs),
    ] {
        snapshot(name, &state, |ui| ui.task.tab = tab, Screen::Task);
    }
}

#[test]
fn every_mode_looks_as_it_did() {
    let state = fleet();
    let mode = |name: &str, make: fn() -> Mode, screen| {
        snapshot(name, &state, |ui| ui.mode = make(), screen);
    };
    for (make, name) in modes() {
        mode(&format!("mode_{name}"), make, Screen::Tasks);
    }
}

/// Makes a mode, and its name.
type NamedMode = (fn() -> Mode, &'static str);

fn modes() -> [NamedMode; 7] {
    [
        (|| Mode::Help(0), "help"),
        (|| Mode::Pick(Picker::new(PickKind::Palette)), "palette"),
        (|| Mode::Pick(Picker::new(PickKind::Halt)), "halt"),
        (|| Mode::Priority("s6y9v7mn".to_owned()), "priority"),
        (
            || {
                Mode::Line(LinePrompt {
                    kind: LineKind::Filter,
                    text: "dark".to_owned(),
                    before: String::new(),
                })
            },
            "line",
        ),
        (
            || {
                Mode::Confirm(Box::new(Confirm {
                    question: "merge #118 Update the API docs?".into(),
                    verb: "merge",
                    name: Some("#118".to_owned()),
                    typed: "#1".to_owned(),
                    missed: false,
                    since: 0,
                    ask: Ask {
                        action: v1::action::Action::Merge(String::new()),
                        expected_version: 0,
                        about: String::new(),
                        inverse: None,
                        draft: None,
                    },
                }))
            },
            "confirm",
        ),
        (
            || {
                Mode::Compose(Box::new(Composer {
                    key: DraftKey::NewTask,
                    title: "New task".into(),
                    fields: vec![
                        Field::new("project", true, "acme/app"),
                        Field::new("title", true, "Faster builds"),
                        Field::new("description", false, "Cache the layers.\n- [ ] under 2 min"),
                    ],
                    focus: 2,
                    verb: "create",
                    problem: Some("a task needs a title".into()),
                }))
            },
            "compose",
        ),
    ]
}

#[test]
fn a_lost_link_is_said_and_what_is_shown_stays() {
    let mut state = fleet();
    state.link = Link::Retrying {
        at: 63_000,
        lost_at: 0,
        why: "the daemon ended the link".to_owned(),
    };
    let ui = ui(Screen::Tasks, (80, 24), &state);
    let (buffer, info) = render(&state, &ui);
    let text = text(&buffer);
    assert!(text.contains("stale 1m, retry 3s"), "{text}");
    assert!(text.contains("what you see is old: the daemon ended the link"));
    assert!(text.contains("Add a dark mode toggle"));
    assert_eq!(
        info.next_change,
        Some(synthetic::NOW + 1_000),
        "the seconds count down"
    );
}

#[test]
fn without_a_daemon_the_screen_says_how_to_start_one() {
    let state = State {
        link: Link::Retrying {
            at: 61_000,
            lost_at: 60_000,
            why: "no daemon answers on /run/cloud-code/operator.sock".to_owned(),
        },
        ..State::default()
    };
    snapshot("no_daemon", &state, |_| {}, Screen::Fleet);
}

#[test]
fn an_empty_screen_says_why_and_which_key_helps() {
    let mut state = State {
        link: Link::Live,
        loaded: true,
        ..State::default()
    };
    state.costs.days = 1;
    for (screen, why) in [
        (Screen::Fleet, "There are no agents yet."),
        (Screen::Tasks, "There are no tasks yet."),
        (Screen::Logs, "There are no logs yet."),
        (Screen::Costs, "Nothing was spent."),
        (Screen::Approvals, "Nothing waits for your answer."),
        (Screen::Activity, "Nothing has happened yet."),
    ] {
        let (buffer, _) = render(&state, &ui(screen, (80, 24), &state));
        assert!(text(&buffer).contains(why), "{screen:?}");
    }
}

#[test]
fn where_nothing_matches_the_filter_is_to_blame() {
    let state = fleet();
    let mut ui = ui(Screen::Tasks, (80, 24), &state);
    ui.tasks_filter = "nothing like this".to_owned();
    let (buffer, _) = render(&state, &ui);
    assert!(text(&buffer).contains("none of 14 tasks matches"));
    assert!(text(&buffer).contains("Esc clears the filter"));
}

#[test]
fn the_header_says_what_is_halted_and_unconfined() {
    let mut state = fleet();
    state.totals.halted = true;
    state.totals.unconfined = true;
    let (buffer, _) = render(&state, &ui(Screen::Fleet, (160, 50), &state));
    let header = text(&buffer).lines().next().expect("a header").to_owned();
    assert!(
        header.contains("HALTED") && header.contains("unconfined"),
        "{header}"
    );
}

#[test]
fn ages_are_right_until_the_next_minute() {
    let state = fleet();
    let (_, info) = render(&state, &ui(Screen::Tasks, (80, 24), &state));
    let next = info.next_change.expect("something ages");
    assert!((synthetic::NOW + 1..=synthetic::NOW + 90_000).contains(&next));
}

#[test]
fn all_ages_of_a_screen_grow_at_the_same_few_times() {
    let state = fleet();
    for screen in [Screen::Tasks, Screen::Fleet, Screen::Approvals] {
        let (_, info) = render(&state, &ui(screen, (160, 50), &state));
        let next = info.next_change.expect("something ages");
        assert_eq!(next % 30_000, 0, "{screen:?}");
    }
}

#[test]
fn the_hints_name_only_keys_that_work_now() {
    let state = fleet();
    let mut ui = ui(Screen::Tasks, (160, 50), &state);
    let hints = |ui: &Ui| {
        let (buffer, _) = render(&state, ui);
        text(&buffer)
            .lines()
            .next_back()
            .unwrap_or_default()
            .to_owned()
    };
    let ids = crate::selection::ids(&state, &ui);
    assert!(!hints(&ui).contains("retry"), "{}", hints(&ui));
    ui.tasks.select(&ids, 1);
    assert!(hints(&ui).contains("r retry"), "{}", hints(&ui));
}

/// What a terminal is sent for a frame.
fn bytes(buffer: &Buffer) -> Vec<u8> {
    let area = buffer.area;
    let capabilities = Capabilities::of("xterm-256color");
    let mut terminal = Terminal::new(Vec::new(), area.width, area.height, capabilities);
    terminal.next().clone_from(buffer);
    terminal.flush(None, false).expect("a vector takes it");
    terminal.into_out()
}

fn cells(count: u16) -> std::num::NonZero<u16> {
    count.try_into().expect("not nothing")
}

fn every_screen(state: &State, size: (u16, u16)) -> Vec<Ui> {
    let screens = [
        Screen::Fleet,
        Screen::Tasks,
        Screen::Task,
        Screen::Logs,
        Screen::Costs,
        Screen::Approvals,
        Screen::Activity,
    ];
    let mut all: Vec<Ui> = screens
        .iter()
        .map(|screen| ui(*screen, size, state))
        .collect();
    for tab in TaskTab::ALL {
        let mut open = ui(Screen::Task, size, state);
        open.task.tab = tab;
        open.logs.wrap = true;
        all.push(open);
    }
    for dimension in Dimension::ALL {
        let mut open = ui(Screen::Costs, size, state);
        open.dimension = dimension;
        all.push(open);
    }
    for (mode, _) in modes() {
        let mut open = ui(Screen::Fleet, size, state);
        open.mode = mode();
        open.say(Tone::Error, crate::hostile::text());
        all.push(open);
    }
    let mut logs = ui(Screen::Logs, size, state);
    (logs.logs.wrap, logs.logs.search) = (true, "a".to_owned());
    all.push(logs);
    all
}

#[test]
fn a_terminal_shows_what_was_drawn() {
    for state in [fleet(), hostile::everywhere()] {
        for size in SIZES {
            for ui in every_screen(&state, size) {
                let (buffer, _) = render(&state, &ui);
                let mut terminal = vt100::Parser::new(cells(size.1), cells(size.0), 0);
                terminal.process(&bytes(&buffer));
                let shown = terminal.screen();
                let rows: Vec<String> = shown
                    .rows(0, size.0)
                    .map(|row| row.trim_end().to_owned())
                    .collect();
                let drawn: Vec<String> = text(&buffer).lines().map(str::to_owned).collect();
                assert_eq!(rows, drawn, "{:?}", ui.screen);
            }
        }
    }
}

#[test]
fn with_ascii_only_nothing_else_is_drawn() {
    let theme = Theme::mono();
    for state in [fleet(), hostile::everywhere()] {
        for ui in every_screen(&state, (160, 50)) {
            if matches!(ui.mode, Mode::Compose(_)) {
                continue; // what the operator types is shown as it is
            }
            let (buffer, _) = render_with(&state, &ui, &theme, true);
            assert!(
                text(&buffer).is_ascii(),
                "{:?}: {}",
                ui.screen,
                text(&buffer)
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_size_breaks_a_screen(columns in 1u16..=300, rows in 1u16..=100, which in 0usize..24) {
        let state = if which % 2 == 0 { fleet() } else { hostile::everywhere() };
        for ui in every_screen(&state, (columns, rows)).iter().skip(which % 4).step_by(4) {
            render(&state, ui);
        }
    }

    #[test]
    fn no_small_size_breaks_a_screen(columns in 1u16..=60, rows in 1u16..=26) {
        let state = fleet();
        for ui in every_screen(&state, (columns, rows)) {
            render(&state, &ui);
        }
    }
}
