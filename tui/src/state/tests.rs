use cloud_code_proto::v1::watch_response::Message;

use super::*;
use crate::synthetic;

fn fleet() -> State {
    let mut state = State::default();
    state.apply(Message::Snapshot(synthetic::snapshot(synthetic::NOW)));
    state
}

fn order(state: &State, sort: Sort) -> Vec<String> {
    let rows = state.tasks.rows(sort, false, "");
    rows.into_iter().map(Task::short).collect()
}

#[test]
fn what_needs_the_operator_comes_first_then_what_is_urgent() {
    let state = fleet();
    let order = order(&state, Sort::Attention);
    assert_eq!(order[..6], ["#57", "#40", "#44", "#52", "#61", "#38"]);
    assert_eq!(order.last().map(String::as_str), Some("#66"));
}

#[test]
fn every_task_is_in_every_order_once() {
    let state = fleet();
    for sort in [Sort::Attention, Sort::Priority, Sort::Updated, Sort::Cost] {
        let mut names = order(&state, sort);
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 14, "{sort:?}");
    }
}

#[test]
fn a_finished_task_leaves_the_open_ones_and_is_still_found() {
    let mut state = fleet();
    let mut task = state.tasks.get("s6y9v7mn").expect("known").wire.clone();
    task.state = "completed".to_owned();
    state.apply(Message::Change(v1::Change {
        tasks: vec![task],
        ..v1::Change::default()
    }));
    assert!(!order(&state, Sort::Attention).contains(&"#42".to_owned()));
    let all = state.tasks.rows(Sort::Attention, true, "");
    assert!(all.iter().any(|task| task.short() == "#42"));
}

#[test]
fn a_snapshot_forgets_what_it_does_not_name() {
    let mut state = fleet();
    state.apply(Message::Snapshot(v1::Snapshot::default()));
    assert_eq!(state.tasks.open().count(), 0);
    assert_eq!(state.agents.all().count(), 0);
    assert_eq!(state.approvals.len(), 0);
}

#[test]
fn a_state_of_a_newer_server_is_shown_as_unknown() {
    let task = Task::new(v1::Task {
        state: "daydreaming".to_owned(),
        ..v1::Task::default()
    });
    assert_eq!(
        (task.standing, task.mark()),
        (Standing::Unknown, Mark::Unknown)
    );
}

#[test]
fn an_agent_that_nothing_is_heard_of_claims_nothing() {
    let state = fleet();
    let agent = state.agents.find("devops-2").expect("known");
    assert_eq!(agent.wire.state, "working");
    assert_eq!(agent.standing(&state.tasks), (Mark::Unknown, "no report"));
}

#[test]
fn an_answered_request_leaves_the_list() {
    let mut state = fleet();
    let mut request = state.approvals.get("cred-014").expect("known").clone();
    request.state = "injected".to_owned();
    state.apply(Message::Change(v1::Change {
        approvals: vec![request],
        ..v1::Change::default()
    }));
    assert_eq!(state.approvals.len(), 1);
}

#[test]
fn an_event_is_never_shown_twice() {
    let mut state = fleet();
    let event = |seq| v1::Event {
        seq,
        ..v1::Event::default()
    };
    state
        .activity
        .extend(vec![event(18_204), event(18_205), event(18_205)]);
    assert_eq!(state.activity.rows("").len(), 7);
}

#[test]
fn all_words_of_a_filter_are_wanted_and_an_exclamation_mark_inverts() {
    let state = fleet();
    let names = |filter: &str| -> Vec<String> {
        let rows = state.tasks.rows(Sort::Attention, false, filter);
        rows.into_iter().map(Task::short).collect()
    };
    assert_eq!(names("blocked p1"), ["#44"]);
    assert_eq!(names("blocked !p1"), ["#57", "#52"]);
    assert_eq!(names("Dark MODE"), ["#42"]);
    assert!(names("nothing like this").is_empty());
}

#[test]
fn sums_of_costs_are_the_same_over_every_dimension() {
    let rows = synthetic::costs();
    for dimension in Dimension::ALL {
        let sum: u64 = sums(&rows, dimension).iter().map(|line| line.cost).sum();
        assert_eq!(sum, 18_400_000, "{dimension:?}");
    }
    let days = sums(&rows, Dimension::Day);
    assert_eq!(days[0].key, "2026-01-01", "the newest day is first");
    let models = sums(&rows, Dimension::Model);
    assert!(
        models
            .iter()
            .any(|line| line.key == "claude-opus" && line.notional)
    );
}

#[test]
fn another_stream_of_a_log_is_not_listened_to() {
    let mut logs = Logs::default();
    let old = logs.open(LogSource::Task("a".to_owned()));
    let new = logs.open(LogSource::Task("b".to_owned()));
    let response = v1::LogsResponse {
        execution: "b-1".to_owned(),
        lines: synthetic::log(synthetic::NOW),
        dropped: 2,
        ..v1::LogsResponse::default()
    };
    logs.extend(old, &response);
    assert_eq!((logs.lines().len(), logs.lost), (0, 0));
    logs.extend(new, &response);
    assert_eq!((logs.lines().len(), logs.lost, logs.end()), (60, 2, 60));
}

#[test]
fn a_line_of_a_log_is_harmless_from_the_start() {
    let line = Line::new(&v1::LogLine {
        text: "a\x1b[31m".to_owned(),
        level: 99,
        ..v1::LogLine::default()
    });
    assert_eq!(line.text.as_str(), "a␛[31m");
    assert_eq!(line.level, v1::LogLevel::Unspecified);
}

#[test]
fn the_answer_for_a_task_that_was_left_is_dropped() {
    let mut detail = Detail::default();
    detail.open("a");
    assert!(detail.wants_loading() && !detail.wants_loading());
    detail.open("b");
    detail.take("a", Ok(v1::TaskDetail::default()));
    assert_eq!(detail.loaded, None);
    assert!(detail.wants_loading());
}

/// The agent as the server sends it once its task has blocked: idle, and without a task.
fn idle_agent(state: &State) -> &Agent {
    state.agents.find("backend-2").expect("known")
}

#[test]
fn an_idle_agent_whose_task_waits_for_the_operator_says_so() {
    let mut state = fleet();
    let agent = idle_agent(&state);
    assert_eq!(
        (agent.wire.state.as_str(), agent.wire.task.as_str()),
        ("idle", "")
    );
    assert_eq!(agent.standing(&state.tasks), (Mark::Attention, "needs you"));
    let task = agent.task(&state.tasks).map(Task::short);
    assert_eq!(task.as_deref(), Some("#57"));
    let first = state
        .agents
        .rows(&state.tasks, "")
        .first()
        .map(|agent| agent.wire.name.clone());
    assert_eq!(first.as_deref(), Some("backend-2"));
    // Once it goes on, nothing is asked any more.
    let mut task = state.tasks.get("k3f9x2ab").expect("known").wire.clone();
    task.needs_operator = false;
    state.apply(Message::Change(v1::Change {
        tasks: vec![task],
        ..v1::Change::default()
    }));
    let agent = idle_agent(&state);
    assert_eq!(agent.standing(&state.tasks), (Mark::Idle, "idle"));
}

#[test]
fn an_agent_at_work_shows_its_work_whatever_else_of_it_waits() {
    let mut state = fleet();
    let mut agent = idle_agent(&state).wire.clone();
    agent.state = "working".to_owned();
    agent.task = "t3a4w8pq".to_owned();
    state.apply(Message::Change(v1::Change {
        agents: vec![agent],
        ..v1::Change::default()
    }));
    let agent = idle_agent(&state);
    assert_eq!(agent.standing(&state.tasks), (Mark::Working, "working"));
    assert_eq!(
        agent.task(&state.tasks).map(Task::short).as_deref(),
        Some("#38")
    );
}

#[test]
fn of_several_waiting_tasks_of_an_agent_the_most_urgent_is_named() {
    let mut state = fleet();
    let urgent = v1::Task {
        id: "zzzzzzzz".to_owned(),
        issue_number: Some(99),
        priority: 0,
        updated_at_ms: 0,
        ..state.tasks.get("k3f9x2ab").expect("known").wire.clone()
    };
    state.apply(Message::Change(v1::Change {
        tasks: vec![urgent],
        ..v1::Change::default()
    }));
    let task = idle_agent(&state).task(&state.tasks);
    assert_eq!(task.map(Task::short).as_deref(), Some("#99"));
}
