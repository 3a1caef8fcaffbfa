//! Answers of the daemon.

use cloud_code_proto::v1;

use super::moves;
use crate::effect::{Ask, Effect};
use crate::event::Reply;
use crate::state::State;
use crate::ui::{Now, Tone, Ui, Undo};

/// Takes an answer.
pub(super) fn hear(state: &mut State, ui: &mut Ui, reply: Reply, now: Now) -> Vec<Effect> {
    match reply {
        Reply::Acted { ask, answer } => acted(ui, &ask, answer, now),
        Reply::Task { task, answer } => state.detail.take(&task, *answer),
        Reply::Earlier {
            task,
            below,
            answer,
        } => match answer {
            Ok(page) => state.detail.take_earlier(&task, below, page),
            Err(why) => ui.say(Tone::Error, why),
        },
        Reply::Costs { days, answer } => match answer {
            Ok(rows) => {
                state.costs.rows = rows;
                state.costs.days = days;
                state.costs.error = None;
            }
            Err(why) => state.costs.error = Some(why),
        },
        Reply::Finished(Ok(tasks)) => {
            for task in tasks {
                state.tasks.put(task);
            }
        }
        Reply::Finished(Err(why)) => ui.say(Tone::Error, why),
        Reply::Found { find, answer } => match answer {
            Ok(found) => moves::found(state, ui, &find, found),
            Err(why) => ui.say(Tone::Error, why),
        },
        Reply::Lines { stream, response } => {
            let fresh = state.logs.lines().is_empty();
            state.logs.extend(stream, &response);
            if fresh && !ui.logs.follow {
                ui.logs.top = state.logs.first();
            }
        }
        Reply::LogEnded { stream, why } => state.logs.end_stream(stream, why),
    }
    Vec::new()
}

fn acted(ui: &mut Ui, ask: &Ask, answer: Result<v1::ActResponse, String>, now: Now) {
    ui.in_flight.remove(&ask.about);
    match answer {
        Ok(answer) => {
            if let Some(draft) = &ask.draft {
                ui.drafts.forget(draft);
            }
            ui.undo = ask.inverse.map(|inverse| Undo {
                task: ask.about.clone(),
                inverse,
                until: now.mono + Undo::OPEN,
            });
            let text = if answer.message.is_empty() {
                "done"
            } else {
                &answer.message
            };
            ui.say(Tone::Good, text);
        }
        Err(why) if ask.draft.is_some() => {
            ui.say(Tone::Error, format!("{why} (what you typed is kept)"));
        }
        Err(why) => ui.say(Tone::Error, why),
    }
}
