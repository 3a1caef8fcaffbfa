//! Conversions of `event.proto`.

use cloud_code_domain::event::{Event, EventActor, Subject};

use crate::v1;

impl From<Event> for v1::Event {
    fn from(event: Event) -> Self {
        let (actor_kind, actor) = match event.actor {
            EventActor::Engine => ("engine", String::new()),
            EventActor::Operator(login) => ("operator", login),
            EventActor::Agent(id) => ("agent", id),
            EventActor::Tracker(login) => ("tracker", login),
        };
        let (subject_kind, subject) = match event.subject {
            Subject::Task(id) => ("task", id),
            Subject::Agent(id) => ("agent", id),
            Subject::Account(name) => ("account", name),
            Subject::Credential(id) => ("credential", id),
            Subject::Project(name) => ("project", name),
            Subject::Fleet => ("fleet", String::new()),
        };
        Self {
            seq: event.seq,
            at_ms: event.at.0,
            actor_kind: actor_kind.to_owned(),
            actor,
            subject_kind: subject_kind.to_owned(),
            subject,
            kind: event.kind,
            detail: event.detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use cloud_code_domain::time::Timestamp;

    use super::*;

    fn wire(actor: EventActor, subject: Subject) -> v1::Event {
        v1::Event::from(Event {
            seq: 3,
            at: Timestamp(5),
            actor,
            subject,
            kind: "assigned".to_owned(),
            detail: "to backend-1".to_owned(),
            state: None,
        })
    }

    #[test]
    fn an_event_keeps_who_and_what_apart() {
        let name = || "x".to_owned();
        let event = wire(EventActor::Operator(name()), Subject::Task(name()));
        assert_eq!((event.seq, event.at_ms), (3, 5));
        assert_eq!((&*event.kind, &*event.detail), ("assigned", "to backend-1"));
        for (actor, kind, shown) in [
            (EventActor::Engine, "engine", ""),
            (EventActor::Operator(name()), "operator", "x"),
            (EventActor::Agent(name()), "agent", "x"),
            (EventActor::Tracker(name()), "tracker", "x"),
        ] {
            let event = wire(actor, Subject::Fleet);
            assert_eq!((&*event.actor_kind, &*event.actor), (kind, shown));
        }
        for (subject, kind, shown) in [
            (Subject::Task(name()), "task", "x"),
            (Subject::Agent(name()), "agent", "x"),
            (Subject::Account(name()), "account", "x"),
            (Subject::Credential(name()), "credential", "x"),
            (Subject::Project(name()), "project", "x"),
            (Subject::Fleet, "fleet", ""),
        ] {
            let event = wire(EventActor::Engine, subject);
            assert_eq!((&*event.subject_kind, &*event.subject), (kind, shown));
        }
    }
}
