use cloud_code_proto::v1::{self, action::Action as Wire, watch_response::Message};
use crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::effect::Ask;
use crate::event::{Event, Reply};
use crate::keymap::Key;
use crate::synthetic;
use crate::theme::ThemeName;
use crate::ui::{ARMING, DraftKey, TaskTab};

mod found;
mod history;
mod priority;

/// An operator at a terminal. Time goes by half a second a key.
struct Desk {
    state: State,
    ui: Ui,
    now: Now,
}

impl Desk {
    fn new() -> Self {
        let mut desk = Self {
            state: State::default(),
            ui: Ui::new((80, 24), ThemeName::Night),
            now: Now {
                wall: synthetic::NOW,
                mono: 10_000,
            },
        };
        desk.hear(Message::Snapshot(synthetic::snapshot(synthetic::NOW)));
        desk.ui.page = 10;
        desk
    }

    fn event(&mut self, event: Event) -> Vec<Effect> {
        let action = Action::of(event, &self.ui);
        update(&mut self.state, &mut self.ui, action, self.now)
    }

    fn hear(&mut self, message: Message) -> Vec<Effect> {
        self.event(Event::Link(LinkEvent::Message(Box::new(message))))
    }

    fn lose_the_link(&mut self) {
        let down = LinkEvent::Down {
            why: "gone".to_owned(),
            retry_in: std::time::Duration::from_secs(3),
        };
        self.event(Event::Link(down));
    }

    /// Presses keys, written as in the registry and separated by blanks.
    fn press(&mut self, keys: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        for key in keys.split(' ') {
            self.now.mono += 500;
            effects.extend(self.at_once(key));
        }
        effects
    }

    /// Presses a key at the very moment of what was before.
    fn at_once(&mut self, key: &str) -> Vec<Effect> {
        let key = Key::sequence(key).expect("a key")[0];
        let (code, modifiers) = if let Key::Char(c) = key {
            (KeyCode::Char(c), KeyModifiers::NONE)
        } else if let Key::Ctrl(c) = key {
            (KeyCode::Char(c), KeyModifiers::CONTROL)
        } else {
            let named = [
                (Key::Enter, KeyCode::Enter),
                (Key::Esc, KeyCode::Esc),
                (Key::Tab, KeyCode::Tab),
            ];
            let found = named.into_iter().find(|(known, _)| *known == key);
            (
                found.expect("a key that is pressed here").1,
                KeyModifiers::NONE,
            )
        };
        self.event(Event::Terminal(TerminalEvent::Key(KeyEvent::new(
            code, modifiers,
        ))))
    }

    fn write(&mut self, text: &str) {
        for c in text.chars() {
            let key = if c == ' ' {
                "space".to_owned()
            } else {
                c.to_string()
            };
            self.press(&key);
        }
    }

    fn paste(&mut self, text: &str) {
        self.event(Event::Terminal(TerminalEvent::Paste(text.to_owned())));
    }

    /// Selects a task of the list.
    fn at_task(issue: &str) -> Self {
        let mut desk = Self::new();
        desk.press("2");
        let ids = selection::ids(&desk.state, &desk.ui);
        let of = |id: &String| {
            desk.state
                .tasks
                .get(id)
                .is_some_and(|task| task.short() == issue)
        };
        let row = ids.iter().position(of).expect("a task");
        desk.ui.tasks.select(&ids, row);
        desk
    }

    fn said(&self) -> &str {
        self.ui
            .message
            .as_ref()
            .map_or("", |message| message.text.as_str())
    }
}

fn asked(effects: &[Effect]) -> Vec<Ask> {
    let ask = |effect: &Effect| {
        if let Effect::Act(ask) = effect {
            Some((**ask).clone())
        } else {
            None
        }
    };
    effects.iter().filter_map(ask).collect()
}

#[test]
fn accepting_runs_at_once_and_names_the_version_that_was_seen() {
    let mut desk = Desk::at_task("#61");
    let asked = asked(&desk.press("a"));
    assert_eq!(asked[0].action, Wire::Accept("m7t2q4cd".to_owned()));
    assert_eq!(asked[0].expected_version, 3);
    assert!(desk.ui.in_flight.contains("m7t2q4cd"));
}

#[test]
fn what_is_not_possible_says_why_and_sends_nothing() {
    let mut desk = Desk::at_task("#42");
    for (key, why) in [
        ("a", "triage"),
        ("r", "tried again"),
        ("M", "merge"),
        ("P", "may pass"),
    ] {
        assert!(desk.press(key).is_empty(), "{key}");
        assert!(desk.said().contains(why), "{key}: {}", desk.said());
    }
}

#[test]
fn cancelling_asks_and_only_y_is_yes() {
    for no in ["X", "enter", "space", "n", "esc", "q"] {
        let mut desk = Desk::at_task("#42");
        assert!(desk.press(&format!("X {no}")).is_empty(), "{no}");
        assert_eq!(desk.said(), "nothing done");
        assert!(matches!(desk.ui.mode, Mode::Browse));
    }
    let mut desk = Desk::at_task("#42");
    let asked = asked(&desk.press("X y"));
    assert_eq!(asked[0].action, Wire::Cancel("s6y9v7mn".to_owned()));
}

#[test]
fn a_key_typed_ahead_of_a_question_does_not_answer_it() {
    let mut desk = Desk::at_task("#42");
    desk.press("X");
    assert!(desk.at_once("y").is_empty());
    assert!(
        matches!(desk.ui.mode, Mode::Confirm(_)),
        "it is still asked"
    );
    desk.now.mono += ARMING;
    assert_eq!(asked(&desk.at_once("y")).len(), 1);
}

#[test]
fn merging_wants_the_pull_requests_number() {
    let mut desk = Desk::at_task("#35");
    desk.press("M y enter");
    assert!(
        matches!(desk.ui.mode, Mode::Confirm(_)),
        "y is a letter of a name here"
    );
    assert!(
        matches!(&desk.ui.mode, Mode::Confirm(again) if again.missed && again.typed.is_empty()),
        "it is asked again"
    );
    desk.press("esc M");
    desk.write("#118");
    let asked = asked(&desk.press("enter"));
    assert_eq!(asked[0].action, Wire::Merge("w7c8y2tv".to_owned()));
    assert_eq!(asked[0].expected_version, 3);
}

#[test]
fn nothing_is_selected_when_requests_are_opened() {
    let mut desk = Desk::new();
    assert!(asked(&desk.press("5 a y A D")).is_empty());
    assert!(matches!(desk.ui.mode, Mode::Browse));
}

#[test]
fn a_request_is_granted_after_it_was_seen_in_the_version_that_was_seen() {
    let mut desk = Desk::new();
    desk.press("5 j");
    assert!(desk.at_once("a").is_empty());
    assert!(
        desk.said().starts_with("nothing done"),
        "it was not on the screen yet"
    );
    let asked = asked(&desk.press("a y"));
    let approve = v1::Approve {
        request: "cred-014".to_owned(),
        for_task: false,
    };
    assert_eq!(asked[0].action, Wire::Approve(approve));
    assert_eq!(asked[0].expected_version, 3);
}

#[test]
fn what_policy_never_grants_can_only_be_denied() {
    let mut desk = Desk::new();
    desk.press("5 j j");
    assert!(desk.press("a").is_empty());
    assert!(desk.said().contains("policy never grants"));
    desk.press("D");
    desk.write("use the mirror");
    let asked = asked(&desk.press("ctrl-d"));
    let deny = v1::Deny {
        request: "cred-015".to_owned(),
        note: "use the mirror".to_owned(),
    };
    assert_eq!(asked[0].action, Wire::Deny(deny));
}

#[test]
fn a_request_that_goes_while_it_is_looked_at_is_no_longer_selected() {
    let mut desk = Desk::new();
    desk.press("5 j");
    let mut request = desk.state.approvals.get("cred-014").expect("known").clone();
    request.state = "withdrawn".to_owned();
    desk.hear(Message::Change(v1::Change {
        approvals: vec![request],
        ..v1::Change::default()
    }));
    assert_eq!(desk.ui.approvals.id, None);
    assert!(
        desk.press("a y").is_empty(),
        "no key hits the one that slid beneath"
    );
}

#[test]
fn without_a_link_nothing_is_sent_and_what_is_shown_stays() {
    let mut desk = Desk::at_task("#61");
    desk.lose_the_link();
    assert!(desk.press("a").is_empty());
    assert!(desk.said().contains("nothing was sent"));
    assert_eq!(desk.state.tasks.open().count(), 14);
    desk.press("/");
    desk.write("dark");
    assert_eq!(
        selection::tasks(&desk.state, &desk.ui).len(),
        1,
        "reading goes on"
    );
}

#[test]
fn a_form_that_is_closed_keeps_what_was_typed() {
    let mut desk = Desk::at_task("#42");
    desk.press("n");
    desk.write("Faster builds");
    desk.press("esc");
    assert!(!desk.ui.drafts.is_empty());
    desk.press("n");
    let Mode::Compose(composer) = &desk.ui.mode else {
        panic!("a form")
    };
    assert_eq!(composer.texts()[1], "Faster builds");
}

#[test]
fn what_was_typed_survives_a_lost_link_and_a_refusal() {
    let mut desk = Desk::at_task("#42");
    desk.press("c");
    desk.write("use a cookie");
    desk.lose_the_link();
    assert!(desk.press("ctrl-d").is_empty());
    assert!(matches!(desk.ui.mode, Mode::Compose(_)), "the form stays");
    desk.hear(Message::Snapshot(synthetic::snapshot(synthetic::NOW)));
    let ask = asked(&desk.press("ctrl-d")).remove(0);
    let draft = DraftKey::Steer("s6y9v7mn".to_owned());
    assert!(
        desk.ui.drafts.get(&draft).is_some(),
        "kept until it is taken"
    );
    let refusal = Reply::Acted {
        ask: Box::new(ask.clone()),
        answer: Err("the store cannot be written".to_owned()),
    };
    desk.event(Event::Reply(refusal));
    assert_eq!(desk.ui.drafts.get(&draft).expect("kept")[0], "use a cookie");
    let taken = Reply::Acted {
        ask: Box::new(ask),
        answer: Ok(v1::ActResponse::default()),
    };
    desk.event(Event::Reply(taken));
    assert!(desk.ui.drafts.is_empty());
}

#[test]
fn a_task_that_waits_for_a_credential_leads_to_its_request() {
    let mut desk = Desk::at_task("#57");
    assert!(desk.press("a").is_empty());
    assert_eq!(desk.ui.screen, Screen::Approvals);
    assert_eq!(desk.ui.approvals.id.as_deref(), Some("cred-014"));
    assert!(
        desk.at_once("a").is_empty(),
        "the same key again grants nothing"
    );
    assert!(matches!(desk.ui.mode, Mode::Browse));
}

#[test]
fn a_task_without_a_title_is_not_made() {
    let mut desk = Desk::at_task("#42");
    assert!(desk.press("n ctrl-d").is_empty());
    let Mode::Compose(composer) = &desk.ui.mode else {
        panic!("a form")
    };
    assert_eq!(composer.focus, 1);
    assert!(composer.problem.is_some());
    desk.write("Faster");
    desk.press("tab");
    desk.paste("line one\r\nline\x1b[2J two");
    let asked = asked(&desk.press("tab enter"));
    let Wire::NewTask(task) = &asked[0].action else {
        panic!("a new task")
    };
    assert_eq!(
        (task.project.as_str(), task.title.as_str()),
        ("acme/app", "Faster")
    );
    assert_eq!(task.description, "line one\nline␛[2J two");
}

#[test]
fn pasted_text_runs_no_command() {
    let mut desk = Desk::at_task("#42");
    desk.paste("Xyq");
    assert!(matches!(desk.ui.mode, Mode::Browse));
    assert!(desk.said().contains("pasted"));
}

#[test]
fn a_cost_limit_is_an_amount() {
    let mut desk = Desk::at_task("#44");
    desk.press("b");
    desk.write("x");
    assert!(desk.press("enter").is_empty());
    desk.press("ctrl-u");
    desk.write("4.50");
    let asked = asked(&desk.press("enter"));
    let set = v1::SetCostLimit {
        task: "r4x8t5jk".to_owned(),
        limit_micro_usd: 4_500_000,
    };
    assert_eq!(asked[0].action, Wire::SetCostLimit(set));
}

#[test]
fn where_a_subscription_pays_a_limit_is_a_number_of_tokens() {
    let mut desk = Desk::at_task("#44");
    let mut task = desk.state.tasks.get("r4x8t5jk").unwrap().wire.clone();
    task.counts_tokens = true;
    desk.state.tasks.put(task);
    desk.press("b");
    desk.write("4.5 dollars");
    assert!(desk.press("enter").is_empty());
    desk.press("ctrl-u");
    desk.write("500k");
    let asked = asked(&desk.press("enter"));
    let set = v1::SetTokenLimit {
        task: "r4x8t5jk".to_owned(),
        limit_tokens: 500_000,
    };
    assert_eq!(asked[0].action, Wire::SetTokenLimit(set));
}

#[test]
fn a_task_is_given_to_an_agent_of_its_project() {
    let mut desk = Desk::at_task("#40");
    desk.press("m");
    desk.write("backend-3");
    let asked = asked(&desk.press("enter"));
    let reassign = v1::Reassign {
        task: "p8w5r6ef".to_owned(),
        agent: "acme-app.backend-3".to_owned(),
        coding_cli: String::new(),
    };
    assert_eq!(asked[0].action, Wire::Reassign(reassign));
}

#[test]
fn a_task_is_given_to_another_coding_cli_and_keeps_its_agent() {
    let mut desk = Desk::at_task("#40");
    desk.press("m");
    desk.write("codex");
    let asked = asked(&desk.press("enter"));
    let reassign = v1::Reassign {
        task: "p8w5r6ef".to_owned(),
        agent: String::new(),
        coding_cli: "codex".to_owned(),
    };
    assert_eq!(asked[0].action, Wire::Reassign(reassign));
}

#[test]
fn the_fleet_is_halted_after_a_question() {
    let mut desk = Desk::new();
    let asked = asked(&desk.press("H enter y"));
    assert_eq!(asked[0].action, Wire::Halt(v1::Scope::default()));
    assert!(desk.press("R").is_empty());
    assert!(desk.said().contains("nothing is halted"));
}

#[test]
fn the_palette_runs_anything_by_its_name() {
    let mut desk = Desk::at_task("#57");
    desk.press(":");
    desk.write("costs");
    assert_eq!(desk.press("enter"), [Effect::LoadCosts(1)]);
    assert_eq!(desk.ui.screen, Screen::Costs);
    desk.press(":");
    desk.write("#42");
    let effects = desk.press("enter");
    assert_eq!(effects, [Effect::LoadTask("s6y9v7mn".to_owned())]);
    assert_eq!(desk.ui.screen, Screen::Task);
}

#[test]
fn the_next_thing_that_needs_the_operator_is_one_key_away() {
    let mut desk = Desk::new();
    desk.press("!");
    assert_eq!(desk.ui.approvals.id.as_deref(), Some("cred-014"));
    desk.press("! !");
    assert_eq!(
        (desk.ui.screen, desk.ui.tasks.id.as_deref()),
        (Screen::Tasks, Some("p8w5r6ef"))
    );
}

#[test]
fn a_held_log_does_not_move_while_lines_come() {
    let mut desk = Desk::at_task("#42");
    let effects = desk.press("L");
    let Some(Effect::FollowLog { stream, .. }) = effects.first() else {
        panic!("a log is followed")
    };
    let stream = *stream;
    let lines = |desk: &mut Desk| {
        let response = v1::LogsResponse {
            lines: synthetic::log(synthetic::NOW),
            ..v1::LogsResponse::default()
        };
        desk.event(Event::Reply(Reply::Lines { stream, response }));
    };
    lines(&mut desk);
    assert!(desk.ui.logs.follow);
    desk.press("k k");
    assert!(!desk.ui.logs.follow);
    let top = desk.ui.logs.top;
    lines(&mut desk);
    assert_eq!(desk.ui.logs.top, top);
    desk.press("G");
    assert!(desk.ui.logs.follow, "the end is followed again");
}

#[test]
fn a_search_goes_round() {
    let mut desk = Desk::at_task("#42");
    let effects = desk.press("L");
    let Some(Effect::FollowLog { stream, .. }) = effects.first() else {
        panic!("a log is followed")
    };
    let response = v1::LogsResponse {
        lines: synthetic::log(synthetic::NOW),
        ..v1::LogsResponse::default()
    };
    let stream = *stream;
    desk.event(Event::Reply(Reply::Lines { stream, response }));
    desk.press("/");
    desk.write("cookie");
    desk.press("enter");
    assert_eq!(desk.ui.logs.hit, Some(6));
    desk.press("n");
    assert_eq!(desk.ui.logs.hit, Some(13));
    desk.press("N N");
    assert_eq!(desk.ui.logs.hit, Some(55), "from the first to the last");
}

#[test]
fn a_new_link_asks_again_for_what_is_open() {
    let mut desk = Desk::at_task("#42");
    desk.press("enter");
    desk.lose_the_link();
    let effects = desk.hear(Message::Snapshot(synthetic::snapshot(synthetic::NOW)));
    assert_eq!(effects, [Effect::LoadTask("s6y9v7mn".to_owned())]);
    assert!(desk.state.link.is_live());
}

#[test]
fn escape_clears_a_filter_before_it_goes_back() {
    let mut desk = Desk::new();
    desk.press("2 /");
    desk.write("dark");
    desk.press("enter esc");
    assert_eq!(
        (desk.ui.screen, desk.ui.tasks_filter.as_str()),
        (Screen::Tasks, "")
    );
    desk.press("esc");
    assert_eq!(desk.ui.screen, Screen::Fleet);
}
