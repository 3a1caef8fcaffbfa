use super::*;
use crate::machine::laws;

fn execution(number: u32) -> ExecutionId {
    ExecutionId {
        task: "k3f9x2ab".parse().unwrap(),
        number,
    }
}

fn states() -> Vec<AgentState> {
    vec![
        AgentState::Provisioning,
        AgentState::Idle,
        AgentState::Working(execution(2)),
        AgentState::Maintenance,
        AgentState::Recreating("exited".to_owned()),
        AgentState::Retired,
    ]
}

fn events() -> Vec<AgentEvent> {
    vec![
        AgentEvent::Ready,
        AgentEvent::Assigned(execution(2)),
        AgentEvent::Assigned(execution(3)),
        AgentEvent::Freed(execution(2)),
        AgentEvent::Freed(execution(1)),
        AgentEvent::MaintenanceStarted,
        AgentEvent::MaintenanceEnded,
        AgentEvent::Broke("exited".to_owned()),
        AgentEvent::Recreated,
        AgentEvent::Unwanted,
    ]
}

#[test]
fn the_table_of_an_agent() {
    let table = laws::table(&states(), &events(), AgentState::on);
    insta::with_settings!({snapshot_path => "../../tables", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("agent", table);
    });
}

#[test]
fn the_laws_of_every_machine() {
    laws::the_same_event_twice_moves_once(&states(), &events(), AgentState::on);
    for state in states() {
        if state != AgentState::Retired {
            let retired = Ok(Outcome::Moved(AgentState::Retired));
            assert_eq!(state.on(&AgentEvent::Unwanted), retired);
        }
    }
}

#[test]
fn an_agent_works_on_one_execution_and_a_stale_one_frees_nobody() {
    let working = AgentState::Working(execution(2));
    let denied = working.on(&AgentEvent::Assigned(execution(3)));
    assert_eq!(denied, Err(Denied::NotPossible));
    let stale = working.on(&AgentEvent::Freed(execution(1)));
    assert_eq!(stale, Err(Denied::Stale));
}

#[test]
fn only_an_idle_agent_is_given_work() {
    for state in states() {
        let step = state.on(&AgentEvent::Assigned(execution(9)));
        assert_eq!(
            matches!(step, Ok(Outcome::Moved(_))),
            state == AgentState::Idle
        );
    }
}
