//! What every state machine of ours answers to an event.
//!
//! Webhooks are delivered again, reports are resent: idempotence is a value here, not an accident.

/// The answer of a state machine that accepted an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<S> {
    /// The event moved the machine into this state.
    Moved(S),
    /// The event says what is already so.
    Unchanged,
}

/// The answer of a state machine that refused an event. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The event names an execution that is not the current one.
    #[error("it names an execution that is not the current one")]
    Stale,
    /// The state is final.
    #[error("it is finished")]
    Finished,
    /// The event has no meaning in this state.
    #[error("it is not possible in this state")]
    NotPossible,
}

/// What a machine's `on` returns.
pub type Step<S> = Result<Outcome<S>, Denied>;

/// What is asked of every machine in its tests.
#[cfg(test)]
pub(crate) mod laws {
    use std::fmt::Debug;

    use super::{Outcome, Step};

    /// Every state with every event and its answer, a line each: the behaviour of the machine. The
    /// difference of two tables is the difference of two behaviours.
    pub(crate) fn table<S: Debug, E: Debug>(
        states: &[S],
        events: &[E],
        on: impl Fn(&S, &E) -> Step<S>,
    ) -> String {
        let mut table = String::new();
        for state in states {
            table.push_str(&format!("{}\n", short(state)));
            for event in events {
                let answer = match on(state, event) {
                    Ok(Outcome::Moved(next)) => format!("-> {}", short(&next)),
                    Ok(Outcome::Unchanged) => "unchanged".to_owned(),
                    Err(denied) => format!("denied: {denied:?}"),
                };
                table.push_str(&format!("    {:82} {answer}\n", short(event)));
            }
        }
        table
    }

    /// An id as people write it, not as the compiler does.
    fn short(value: &impl Debug) -> String {
        let mut text = format!("{value:?}");
        for number in 1..=9 {
            let long = format!("ExecutionId {{ task: TaskId(\"k3f9x2ab\"), number: {number} }}");
            text = text.replace(&long, &format!("#{number}"));
        }
        text
    }

    /// The same event twice moves once at most.
    pub(crate) fn the_same_event_twice_moves_once<S: Debug + PartialEq, E: Debug>(
        states: &[S],
        events: &[E],
        on: impl Fn(&S, &E) -> Step<S>,
    ) {
        for state in states {
            for event in events {
                if let Ok(Outcome::Moved(next)) = on(state, event) {
                    assert_ne!(next, *state, "{event:?} moves {state:?} to itself");
                    let again = on(&next, event);
                    assert!(
                        !matches!(again, Ok(Outcome::Moved(_))),
                        "{event:?} moves {state:?} twice: {next:?}, {again:?}"
                    );
                }
            }
        }
    }

    /// No event moves this state.
    pub(crate) fn nothing_moves<S: Debug, E: Debug>(
        state: &S,
        events: &[E],
        on: impl Fn(&S, &E) -> Step<S>,
    ) {
        for event in events {
            let answer = on(state, event);
            assert!(
                !matches!(answer, Ok(Outcome::Moved(_))),
                "{event:?} moves {state:?}: {answer:?}"
            );
        }
    }
}
