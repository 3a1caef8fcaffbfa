use super::*;

const SETTLE: Duration = Duration::from_secs(90);
const T0: Timestamp = Timestamp(1_000_000);

fn comment() -> EffectRecord {
    EffectRecord::new(
        Effect::Comment {
            task: TaskId::from_random(7),
        },
        T0,
    )
}

fn kept(next: Next) -> EffectRecord {
    match next {
        Next::Kept(record) => record,
        Next::Gone => panic!("it is gone"),
    }
}

fn unknown() -> Outcome<()> {
    Outcome::Unknown {
        why: "timeout".into(),
    }
}

#[test]
fn an_unknown_outcome_is_observed_at_once() {
    let next = kept(
        comment()
            .started(T0)
            .after(&unknown(), T0.after(SETTLE / 9), SETTLE, 0.5),
    );
    assert_eq!(next.state, EffectState::Unknown);
    assert_eq!(next.not_before, T0.after(SETTLE / 9));
}

#[test]
fn an_absence_waits_out_the_settle_time_before_it_is_made_again() {
    let sent = comment().started(T0);
    let seen = kept(sent.after(&unknown(), T0, SETTLE, 0.5)).started(T0);
    let early = kept(seen.after::<()>(&Outcome::Absent, T0.after(SETTLE / 2), SETTLE, 0.5));
    assert_eq!(
        (early.state, early.not_before),
        (EffectState::Unknown, T0.after(SETTLE))
    );
    let late = kept(early.started(T0.after(SETTLE)).after::<()>(
        &Outcome::Absent,
        T0.after(SETTLE),
        SETTLE,
        0.5,
    ));
    assert_eq!(late.state, EffectState::Pending);
}

#[test]
fn what_was_being_sent_when_we_died_is_looked_for_and_not_sent_again() {
    let found = comment().started(T0).found_at_start(T0.after(SETTLE));
    assert_eq!(found.state, EffectState::Unknown);
    assert_eq!(found.started(T0.after(SETTLE)).state, EffectState::Unknown);
}

#[test]
fn a_read_that_was_under_way_is_simply_made_again() {
    let project = "acme/app".parse().unwrap();
    let read = EffectRecord::new(Effect::Inspect { project, number: 1 }, T0);
    assert_eq!(
        read.started(T0).found_at_start(T0).state,
        EffectState::Pending
    );
}

#[test]
fn a_failed_look_does_not_turn_an_unknown_outcome_into_a_fresh_start() {
    let seen = kept(comment().started(T0).after(&unknown(), T0, SETTLE, 0.5)).started(T0);
    let later = Outcome::<()>::Later {
        why: "429".into(),
        until: Some(T0.after(SETTLE)),
    };
    let next = kept(seen.after(&later, T0, SETTLE, 0.5));
    assert_eq!(
        (next.state, next.not_before),
        (EffectState::Unknown, T0.after(SETTLE))
    );
}

#[test]
fn what_is_wanted_again_while_it_is_made_is_made_again() {
    let mut sending = comment().started(T0);
    sending.again = true;
    let next = kept(sending.after(&Outcome::Done(()), T0, SETTLE, 0.5));
    assert_eq!((next.state, next.again), (EffectState::Pending, false));
    assert_eq!(
        comment()
            .started(T0)
            .after(&Outcome::Done(()), T0, SETTLE, 0.5),
        Next::Gone
    );
}

#[test]
fn a_refusal_of_what_has_to_be_there_is_believed_after_a_while() {
    let no = || Outcome::<()>::Refused { why: "422".into() };
    let mut open = EffectRecord::new(
        Effect::OpenPullRequest {
            task: TaskId::from_random(7),
        },
        T0,
    );
    assert_eq!(open.believed(no(), T0), no(), "nobody knows for how long");
    open.wanted_at = Some(T0);
    let patient = |now| matches!(open.believed(no(), now), Outcome::Later { until: None, .. });
    assert!(patient(T0) && patient(T0.after(PATIENCE - SETTLE)));
    // A clock that goes back makes nobody impatient.
    assert!(patient(Timestamp(0)));
    assert!(!patient(T0.after(PATIENCE)));
    let merge = Effect::Merge {
        task: TaskId::from_random(7),
    };
    let mut merge = EffectRecord::new(merge, T0);
    merge.wanted_at = Some(T0);
    assert_eq!(merge.believed(no(), T0), no(), "a person waits for it");
}

#[test]
fn looks_that_get_no_answer_are_taken_less_and_less_often() {
    let later = Outcome::<()>::Later {
        why: "503".into(),
        until: None,
    };
    let mut record = kept(comment().started(T0).after(&unknown(), T0, SETTLE, 0.5));
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let now = record.not_before;
        record = kept(record.started(now).after(&later, now, SETTLE, 0.5));
        assert_eq!(record.state, EffectState::Unknown);
        pauses.push(record.not_before.since(now));
    }
    assert!(pauses.is_sorted(), "{pauses:?}");
    assert_eq!(pauses.last(), Some(&Duration::from_secs(15 * 60)));
}

#[test]
fn a_clock_that_was_set_back_while_nobody_ran_holds_nothing_up() {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);
    let mut waiting = comment();
    waiting.not_before = T0.after(YEAR);
    waiting.wanted_at = Some(T0.after(YEAR));
    let found = waiting.found_at_start(T0);
    assert_eq!(found.not_before, T0.after(LONGEST_PAUSE));
    assert_eq!(found.wanted_at, Some(T0));
    // What was sent settles from now on, and not a year later.
    let sent = comment().started(T0.after(YEAR)).found_at_start(T0);
    let seen = kept(
        sent.started(T0)
            .after::<()>(&Outcome::Absent, T0, SETTLE, 0.5),
    );
    assert_eq!(seen.not_before, T0.after(SETTLE));
}
