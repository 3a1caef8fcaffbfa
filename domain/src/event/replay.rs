//! The events told again: which state every subject has come to. A copy of the store is good when
//! this agrees with its records.

use std::collections::BTreeMap;

use super::{Event, Subject};

/// The states that the events so far led to.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    last: u64,
    states: BTreeMap<Subject, String>,
}

/// An event is missing, or there twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("after event {after} comes event {found}")]
pub struct Gap {
    /// The event before.
    pub after: u64,
    /// The number that was found instead of the next one.
    pub found: u64,
}

impl Replay {
    /// Takes the next event.
    ///
    /// # Errors
    /// [`Gap`] where its number is not the next one; nothing has changed then.
    pub fn take(&mut self, event: &Event) -> Result<(), Gap> {
        if event.seq != self.last.saturating_add(1) {
            return Err(Gap {
                after: self.last,
                found: event.seq,
            });
        }
        self.last = event.seq;
        if let Some(state) = &event.state {
            self.states.insert(event.subject.clone(), state.clone());
        }
        Ok(())
    }

    /// The number of the last event taken; 0 before the first.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The state that a subject is in; none where it never moved.
    #[must_use]
    pub fn state(&self, subject: &Subject) -> Option<&str> {
        self.states.get(subject).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::super::EventActor;
    use super::*;
    use crate::time::Timestamp;

    fn event(seq: u64, task: &str, state: Option<&str>) -> Event {
        Event {
            seq,
            at: Timestamp(0),
            actor: EventActor::Engine,
            subject: Subject::Task(task.to_owned()),
            kind: "moved".to_owned(),
            detail: String::new(),
            state: state.map(str::to_owned),
        }
    }

    #[test]
    fn a_subject_is_where_its_last_move_led() {
        let mut replay = Replay::default();
        let events = [
            event(1, "a", Some("pending")),
            event(2, "b", Some("triage")),
            event(3, "a", Some("assigned")),
            event(4, "a", None),
        ];
        for event in &events {
            replay.take(event).unwrap();
        }
        let state = |task: &str| {
            replay
                .state(&Subject::Task(task.to_owned()))
                .map(str::to_owned)
        };
        assert_eq!(state("a").as_deref(), Some("assigned"));
        assert_eq!(state("b").as_deref(), Some("triage"));
        assert_eq!(state("c"), None);
        assert_eq!(replay.last(), 4);
    }

    #[test]
    fn a_missing_event_and_one_that_comes_twice_are_gaps() {
        for (numbers, gap) in [
            (&[2][..], Gap { after: 0, found: 2 }),
            (&[1, 3], Gap { after: 1, found: 3 }),
            (&[1, 2, 2], Gap { after: 2, found: 2 }),
        ] {
            let mut replay = Replay::default();
            let taken = numbers
                .iter()
                .try_for_each(|seq| replay.take(&event(*seq, "a", Some("pending"))));
            assert_eq!(taken, Err(gap));
        }
    }
}
