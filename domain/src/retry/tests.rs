use proptest::prelude::*;

use super::*;

/// One of each cause.
pub(crate) fn causes() -> [FailureCause; 14] {
    [
        FailureCause::CodingCli { exit: Some(1) },
        FailureCause::TimedOut,
        FailureCause::Stalled,
        FailureCause::AgentLost,
        FailureCause::InvalidReport,
        FailureCause::CheckFailed,
        FailureCause::WorkspaceUnavailable,
        FailureCause::WorktreeDamaged,
        FailureCause::RateLimited,
        FailureCause::AccountParked,
        FailureCause::Authentication,
        FailureCause::Halted,
        FailureCause::BadRequest,
        FailureCause::CodingCliUnavailable,
    ]
}

fn tally(attempts: u32, interruptions: u32) -> Tally {
    Tally {
        attempts,
        max_attempts: 3,
        interruptions,
        pause: Duration::from_secs(10),
    }
}

#[test]
fn who_is_overtaken_brings_its_work_on_top_until_it_happened_too_often() {
    for rounds in 0..MAX_OVERTAKEN - 1 {
        assert_eq!(overtaken(rounds, "cloud-code/1-a"), None, "{rounds}");
    }
    for rounds in [MAX_OVERTAKEN - 1, MAX_OVERTAKEN, u32::MAX] {
        let reason = overtaken(rounds, "cloud-code/1-a").map(|reason| reason.to_string());
        let words = reason.unwrap_or_default();
        assert!(words.contains("cloud-code/1-a"), "{words}");
        assert!(words.contains("nothing of theirs was replaced"), "{words}");
    }
}

#[test]
fn the_table_of_causes() {
    let mut table = String::new();
    for cause in causes() {
        let first = decide(&cause, tally(0, 0), 0.5);
        let last = decide(&cause, tally(2, MAX_INTERRUPTIONS - 1), 0.5);
        let line = format!(
            "{:22} counts={:5} interrupts={:5} keep={:5} waits {:3} s, then {:?}; last {:?}\n",
            cause.as_str(),
            first.counts,
            first.interrupts,
            first.keep,
            first.delay.as_secs(),
            first.after,
            last.after,
        );
        table.push_str(&line);
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_task_fails_as_often_as_it_may_and_no_more() {
    let after = |attempts, max_attempts| {
        let tally = Tally {
            attempts,
            max_attempts,
            interruptions: 0,
            pause: Duration::from_secs(10),
        };
        decide(&FailureCause::TimedOut, tally, 0.5).after
    };
    assert_eq!(after(0, 3), AfterFailure::Retry);
    assert_eq!(after(1, 3), AfterFailure::Retry);
    assert_eq!(after(2, 3), AfterFailure::GiveUp);
    assert_eq!(after(0, 1), AfterFailure::GiveUp);
    assert_eq!(after(0, 0), AfterFailure::GiveUp);
    assert_eq!(after(u32::MAX, 3), AfterFailure::GiveUp);
}

#[test]
fn delays_double_up_to_a_quarter_of_an_hour() {
    let seconds: Vec<u64> = (0..9)
        .map(|attempts| {
            let tally = Tally {
                attempts,
                max_attempts: 100,
                interruptions: 0,
                pause: Duration::from_secs(10),
            };
            decide(&FailureCause::TimedOut, tally, 0.5).delay.as_secs()
        })
        .collect();
    assert_eq!(seconds, [10, 20, 40, 80, 160, 320, 640, 900, 900]);
}

proptest! {
    #[test]
    fn what_is_not_the_tasks_fault_never_uses_up_its_attempts(
        index in 0_usize..13, attempts in any::<u32>(), max in any::<u32>(),
        interruptions in any::<u32>(), jitter in any::<f64>()
    ) {
        let cause = &causes()[index];
        let tally = Tally {
            attempts, max_attempts: max, interruptions, pause: Duration::from_secs(10)
        };
        let retry = decide(cause, tally, jitter);
        prop_assert!(!(retry.counts && retry.interrupts));
        prop_assert!(retry.delay <= LONGEST.mul_f64(1.2));
        if !retry.counts {
            prop_assert!(retry.keep);
            prop_assert_ne!(&retry.after, &AfterFailure::GiveUp);
        }
        if retry.after != AfterFailure::Retry {
            prop_assert_eq!(retry.delay, Duration::ZERO);
        }
    }

    #[test]
    fn jitter_stays_within_a_fifth(jitter in 0.0..=1.0, attempts in 0_u32..2) {
        let middle = decide(&FailureCause::TimedOut, tally(attempts, 0), 0.5).delay;
        let delay = decide(&FailureCause::TimedOut, tally(attempts, 0), jitter).delay;
        prop_assert!(delay >= middle.mul_f64(0.799) && delay <= middle.mul_f64(1.201));
    }
}
