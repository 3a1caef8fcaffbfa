//! What a size has room for, and what only shows itself in time.

use super::*;
use crate::effect::Inverse;
use crate::ui::Undo;

fn shown(state: &State, ui: &Ui) -> String {
    text(&render(state, ui).0)
}

fn at(screen: Screen, size: (u16, u16), state: &State, id: &str) -> Ui {
    let mut ui = ui(screen, size, state);
    let ids = crate::selection::ids(state, &ui);
    let row = ids.iter().position(|known| known == id).expect("a row");
    ui.cursor().expect("a list").select(&ids, row);
    ui
}

#[test]
fn with_several_projects_80_columns_keep_state_title_spending_and_age() {
    let mut state = fleet();
    state.projects.push(v1::Project {
        name: "acme/site".to_owned(),
        ..v1::Project::default()
    });
    let text = shown(&state, &ui(Screen::Tasks, (80, 24), &state));
    let head = text
        .lines()
        .find(|line| line.contains("STATE"))
        .expect("a heading");
    for kept in ["P ", "ID", "STATE", "TITLE", "PROJECT", "TRY", "$", "AGE"] {
        assert!(head.contains(kept), "{kept}: {head}");
    }
    assert!(
        !head.contains("AGENT"),
        "the preview and the fleet have it: {head}"
    );
    let row = text
        .lines()
        .find(|line| line.contains("#57"))
        .expect("a row");
    assert!(row.contains("Rotate the webhook secret"), "{row}");
}

#[test]
fn a_wide_preview_shows_what_the_client_holds_of_the_task() {
    let state = fleet();
    for screen in [Screen::Tasks, Screen::Fleet] {
        let id = if screen == Screen::Tasks {
            "s6y9v7mn"
        } else {
            "acme-app.frontend-1"
        };
        let text = shown(&state, &at(screen, (160, 50), &state, id));
        for part in [
            "LAST",
            "12 tests pass, 1 is running",
            "CRITERIA",
            "the end-to-end test passes",
            "CHANGED",
            "src/theme/ThemeProvider.tsx  +2 -1",
            "LOG",
            "I will use a cookie, as you said.",
        ] {
            assert!(text.contains(part), "{part} on {screen:?}\n{text}");
        }
    }
    let ui = at(
        Screen::Approvals,
        (160, 50),
        &state,
        &state.approvals.rows()[0].id,
    );
    let text = shown(&state, &ui);
    assert!(
        text.contains("THE TASK") && text.contains("credential requested"),
        "{text}"
    );
}

#[test]
fn the_timeline_stays_at_its_end_until_it_is_held() {
    let mut state = fleet();
    let detail = synthetic::detail("s6y9v7mn", synthetic::NOW).expect("known");
    let events = (20_000..20_100).map(|seq| v1::Event {
        seq,
        at_ms: synthetic::NOW,
        kind: format!("step_{seq}"),
        ..v1::Event::default()
    });
    let events: Vec<v1::Event> = events.collect();
    let of = |events: &[v1::Event]| v1::TaskDetail {
        events: events.to_vec(),
        ..detail.clone()
    };
    state.detail.take("s6y9v7mn", Ok(of(&events[..90])));
    let mut ui = ui(Screen::Task, (160, 50), &state);
    let draw = |state: &State, ui: &mut Ui| {
        let (buffer, info) = render(state, ui);
        crate::app::absorb(ui, &info);
        text(&buffer)
    };
    assert!(draw(&state, &mut ui).contains("step 20089"));
    state.detail.take("s6y9v7mn", Ok(of(&events)));
    assert!(draw(&state, &mut ui).contains("step 20099"), "it follows");
    ui.task.held = true;
    ui.task.scroll[0] -= 20;
    let held = draw(&state, &mut ui);
    assert!(!held.contains("step 20099") && ui.task.held, "{held}");
    ui.task.scroll[0] = usize::MAX;
    assert!(draw(&state, &mut ui).contains("step 20099"));
    assert!(!ui.task.held, "at its end it follows again");
}

#[test]
fn what_can_be_taken_back_says_how_long() {
    let state = fleet();
    let mut ui = ui(Screen::Tasks, (80, 24), &state);
    ui.undo = Some(Undo {
        task: "s6y9v7mn".to_owned(),
        inverse: Inverse {
            before: 1,
            after: 0,
        },
        until: 60_000 + 6_400,
    });
    let (buffer, info) = render(&state, &ui);
    let seen = text(&buffer);
    assert!(seen.contains("u undoes: #42 P1 → P0 (7s)"), "{seen}");
    assert_eq!(info.next_change, Some(synthetic::NOW + 400));
}

#[test]
fn no_key_is_named_before_it_answers() {
    let state = fleet();
    let mut ui = ui(Screen::Approvals, (80, 24), &state);
    ui.settled_at = 60_000 - 100;
    let (buffer, info) = render(&state, &ui);
    assert!(!text(&buffer).contains("a approve"));
    assert_eq!(info.next_change, Some(synthetic::NOW + 200));
    ui.settled_at = 60_000 - 300;
    assert!(shown(&state, &ui).contains("a approve"));
}
