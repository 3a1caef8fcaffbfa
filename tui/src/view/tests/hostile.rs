//! Every string of every answer on every screen, in every mode: what the terminal is sent is parsed,
//! and holds nothing but letters and the few sequences that we mean.

use std::collections::{BTreeMap, BTreeSet};

use crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::action::Action;
use crate::effect::Effect;
use crate::event::{Event, Found, Reply};
use crate::hostile::{self, Poison, Strict};
use crate::link::LinkEvent;
use crate::screen::copy;
use crate::update::update;

/// The fleet of the other tests, with what an enemy says in it.
fn fleet_with(poison: &Poison<'_>) -> State {
    let mut state = State {
        link: Link::Live,
        ..State::default()
    };
    let snapshot = poison.message("Snapshot", &synthetic::snapshot(synthetic::NOW));
    state.apply(Message::Snapshot(snapshot));
    let costs = v1::CostsResponse {
        rows: synthetic::costs(),
    };
    state.costs.rows = poison.message("CostsResponse", &costs).rows;
    state.costs.days = 1;
    state.detail.open("s6y9v7mn");
    state.detail.take("s6y9v7mn", Ok(detail(poison)));
    let stream = state.logs.open(LogSource::Task("s6y9v7mn".to_owned()));
    state.logs.extend(stream, &lines(poison));
    state
}

fn detail(poison: &Poison<'_>) -> v1::TaskDetail {
    let detail = synthetic::detail("s6y9v7mn", synthetic::NOW).expect("known");
    poison.message("TaskDetail", &detail)
}

fn lines(poison: &Poison<'_>) -> v1::LogsResponse {
    let lines = v1::LogsResponse {
        execution: "s6y9v7mn-2".to_owned(),
        lines: synthetic::log(synthetic::NOW),
        dropped: 12,
        ..v1::LogsResponse::default()
    };
    poison.message("LogsResponse", &lines)
}

/// A fleet in which whatever can be said was said by an enemy; but objects keep their ids, so that
/// they are still found.
pub(super) fn everywhere() -> State {
    let text = hostile::text();
    let which = |field: &str| !field.ends_with(".id");
    fleet_with(&Poison {
        which: &which,
        text: &text,
    })
}

fn written(state: &State, ui: &Ui) -> Vec<u8> {
    bytes(&render(state, ui).0)
}

fn check(bytes: &[u8], about: &str) {
    let mut terminal = Strict::default();
    terminal.take(bytes);
    assert_eq!(terminal.wrong(), None, "{about}");
}

/// One field after the other, so that nothing else is broken and the screen is the usual one. Which
/// field is seen where is kept in a table: a field that is added to the contract changes it.
#[test]
fn every_string_of_every_answer_is_harmless_on_every_screen() {
    let mut shown: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let text = format!("qXq{}", hostile::text());
    let honest = fleet();
    let usual = |state: &State| -> Vec<(Screen, Buffer)> {
        let mut all = every_screen(state, (160, 50));
        all.retain(|ui| matches!(ui.mode, Mode::Browse));
        let drawn = all.into_iter().map(|ui| (ui.screen, render(state, &ui).0));
        drawn.collect()
    };
    let honest = usual(&honest);
    for field in hostile::fields() {
        let which = |name: &str| name == field;
        let state = fleet_with(&Poison {
            which: &which,
            text: &text,
        });
        let seen_on = shown.entry(field.clone()).or_default();
        for ((screen, buffer), (_, honest)) in usual(&state).iter().zip(&honest) {
            if buffer == honest {
                continue;
            }
            check(&bytes(buffer), &field);
            let cells = buffer.content.windows(3);
            let mut words = cells.map(|cells| cells.iter().map(|cell| cell.symbol()));
            if words.any(|word| word.eq(["q", "X", "q"])) {
                seen_on.insert(format!("{screen:?}"));
            }
        }
    }
    let rows = shown.iter().map(|(field, screens)| {
        let name = field.trim_start_matches("cloudcode.v1.");
        let screens: Vec<&str> = screens.iter().map(String::as_str).collect();
        format!("{name:<36} {}", screens.join(" "))
            .trim_end()
            .to_owned()
    });
    let table: Vec<String> = rows.collect();
    insta::assert_snapshot!("fields_on_screens", table.join("\n"));
}

#[test]
fn a_line_of_200_000_characters_is_cut_on_every_screen() {
    let text = hostile::long_line();
    let which = |field: &str| !field.ends_with(".id");
    let state = fleet_with(&Poison {
        which: &which,
        text: &text,
    });
    for ui in every_screen(&state, (80, 24)) {
        check(&written(&state, &ui), &format!("{:?}", ui.screen));
    }
}

#[test]
fn what_the_link_and_refusals_say_is_harmless() {
    let text = hostile::text();
    let mut state = everywhere();
    state.link = Link::Retrying {
        at: 63_000,
        lost_at: 0,
        why: text.clone(),
    };
    state.detail.error = Some(text.clone());
    state.costs.error = Some(text.clone());
    let stream = state.logs.stream();
    state.logs.end_stream(stream, text.clone());
    for (state, loaded) in [(&state, true), (&unloaded(&text), false)] {
        for ui in every_screen(state, (80, 24)) {
            check(
                &written(state, &ui),
                &format!("{:?}, loaded {loaded}", ui.screen),
            );
        }
    }
}

fn unloaded(why: &str) -> State {
    State {
        link: Link::Retrying {
            at: 61_000,
            lost_at: 60_000,
            why: why.to_owned(),
        },
        ..State::default()
    }
}

/// What answers the effects of a key.
fn reply(effect: Effect, poison: &Poison<'_>, refuses: bool) -> Option<Reply> {
    let refusal = || poison.text.to_owned();
    match effect {
        Effect::Act(ask) => Some(Reply::Acted {
            ask,
            answer: if refuses {
                Err(refusal())
            } else {
                Ok(poison.message("ActResponse", &v1::ActResponse::default()))
            },
        }),
        Effect::LoadTask(task) => Some(Reply::Task {
            task,
            answer: Box::new(if refuses {
                Err(refusal())
            } else {
                Ok(detail(poison))
            }),
        }),
        Effect::LoadEarlier { task, below } => {
            let page = v1::TaskEventsResponse {
                events: synthetic::history(&task, below, 3, synthetic::NOW),
                events_before: 1,
            };
            Some(Reply::Earlier {
                task,
                below,
                answer: Ok(poison.message("TaskEventsResponse", &page)),
            })
        }
        Effect::LoadCosts(days) => {
            let rows = synthetic::costs();
            let costs = poison.message("CostsResponse", &v1::CostsResponse { rows });
            Some(Reply::Costs {
                days,
                answer: Ok(costs.rows),
            })
        }
        Effect::LoadFinished => {
            let tasks = synthetic::snapshot(synthetic::NOW).tasks;
            let list = v1::ListTasksResponse { tasks, total: 14 };
            let list = poison.message("ListTasksResponse", &list);
            Some(Reply::Finished(Ok(list.tasks)))
        }
        Effect::FindInLog(find) => {
            let part = lines(poison);
            let found = Found {
                execution: part.execution.clone(),
                number: 1,
                total: 3,
                part: vec![part],
            };
            Some(Reply::Found {
                find,
                answer: if refuses {
                    Err(refusal())
                } else {
                    Ok(Some(found))
                },
            })
        }
        Effect::FollowLog { stream, .. } => Some(Reply::Lines {
            stream,
            response: lines(poison),
        }),
        Effect::Copy(text) => {
            for in_tmux in [false, true] {
                let sequence = copy(&text, in_tmux).unwrap_or_default();
                let plain = |byte: &u8| byte.is_ascii_graphic() || matches!(byte, 0x1b | 0x07);
                assert!(sequence.iter().all(plain), "{sequence:?}");
            }
            None
        }
        Effect::Repaint | Effect::Suspend | Effect::Reconnect | Effect::Quit => None,
    }
}

/// A key, or now and then something pasted, another size, or a lost link.
fn input(random: u64, text: &str) -> Event {
    const KEYS: &[u8] = b"123456abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/?:!#.,[]<> ";
    let key = |code| Event::Terminal(TerminalEvent::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    let rest = random / 16;
    match random % 16 {
        0 | 1 => key(KeyCode::Enter),
        2 => key(KeyCode::Esc),
        3 => key([KeyCode::Up, KeyCode::Down, KeyCode::Tab][rest as usize % 3]),
        4 => key([KeyCode::PageDown, KeyCode::End, KeyCode::Backspace][rest as usize % 3]),
        5 if rest.is_multiple_of(4) => Event::Terminal(TerminalEvent::Paste(text.to_owned())),
        6 if rest.is_multiple_of(4) => {
            let (columns, rows) = (40 + rest % 130, 10 + rest % 41);
            Event::Terminal(TerminalEvent::Resize(columns as u16, rows as u16))
        }
        7 if rest.is_multiple_of(8) => Event::Link(LinkEvent::Down {
            why: text.to_owned(),
            retry_in: std::time::Duration::from_secs(3),
        }),
        _ => key(KeyCode::Char(KEYS[rest as usize % KEYS.len()].into())),
    }
}

/// No list of screens, overlays and modes is complete: here keys are pressed at random, and whatever
/// opens is drawn.
#[test]
fn whatever_is_pressed_over_a_hostile_fleet_only_our_sequences_are_written() {
    let text = hostile::text();
    let which = |field: &str| !field.ends_with(".id") && !field.ends_with(".actions");
    let poison = Poison {
        which: &which,
        text: &text,
    };
    let theme = Theme::built_in(ThemeName::Night, ColorLevel::True);
    let zone = TimeZone::UTC;
    let mut state = fleet_with(&poison);
    let mut open = ui(Screen::Fleet, (120, 40), &state);
    let capabilities = Capabilities::of("xterm-256color");
    let mut terminal = Terminal::new(Strict::default(), 120, 40, capabilities);
    let mut random = 4_u64;
    let mut modes = BTreeSet::new();
    for step in 0..1_500_u64 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let now = Now {
            wall: synthetic::NOW,
            mono: 60_000 + step * 1_000,
        };
        let action = Action::of(input(random >> 33, &text), &open);
        let mut effects = update(&mut state, &mut open, action, now);
        while let Some(effect) = effects.pop() {
            let Some(reply) = reply(effect, &poison, random >> 40 & 1 == 1) else {
                continue;
            };
            effects.extend(update(&mut state, &mut open, Action::Hear(reply), now));
        }
        if !state.link.is_live() && step % 8 == 0 {
            let snapshot = poison.message("Snapshot", &synthetic::snapshot(synthetic::NOW));
            let message = LinkEvent::Message(Box::new(Message::Snapshot(snapshot)));
            update(&mut state, &mut open, Action::Link(message), now);
        }
        terminal.resize(open.size.0, open.size.1);
        let area = Rect::new(0, 0, open.size.0, open.size.1);
        let look = Look {
            theme: &theme,
            ascii: false,
            zone: &zone,
            now,
        };
        terminal.next().reset();
        draw(&state, &open, &look, area, terminal.next());
        let written = terminal
            .flush(None, false)
            .map_err(|wrong| wrong.to_string());
        assert_eq!(written, Ok(()), "{:?} {:?}", open.screen, open.mode);
        let mode = format!("{:?}", open.mode);
        let word = mode.split(|c: char| !c.is_alphanumeric()).next();
        modes.insert(word.unwrap_or_default().to_owned());
    }
    let all = [
        "Browse", "Compose", "Confirm", "Help", "Line", "Pick", "Priority",
    ];
    assert_eq!(modes.iter().map(String::as_str).collect::<Vec<_>>(), all);
}
