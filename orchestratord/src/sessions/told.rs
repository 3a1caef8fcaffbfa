//! What a link has told its agent, and what is left to say.

use std::collections::BTreeSet;

use cloud_code_domain::id::{ExecutionId, Oid, RequestId, TaskId};
use cloud_code_domain::task::Message;

use crate::engine::{CredentialOrder, Orders};

/// One thing to tell an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tell {
    Assign(
        Box<(
            cloud_code_domain::execution::Execution,
            cloud_code_domain::task::Task,
        )>,
    ),
    Cancel(ExecutionId, cloud_code_domain::execution::StopReason),
    Steer(ExecutionId, u64, Message),
    Published(TaskId, Oid),
    Clean(TaskId),
    Credential(CredentialOrder),
    Withdraw(RequestId),
}

/// What was told on this link. A new link begins with nothing: every order means the same twice.
#[derive(Debug, Default)]
pub(super) struct Told {
    assigned: Option<ExecutionId>,
    cancelled: Option<ExecutionId>,
    steered: BTreeSet<(ExecutionId, u64)>,
    published: BTreeSet<(TaskId, Oid)>,
    cleaned: BTreeSet<TaskId>,
    credentials: BTreeSet<RequestId>,
    withdrawn: BTreeSet<RequestId>,
}

impl Told {
    /// What is left to say of these orders, in the order to say it: secrets before the execution
    /// that may need them, the execution before what steers it.
    pub(super) fn rest(&mut self, orders: Orders) -> Vec<Tell> {
        let mut rest = Vec::new();
        self.cleaned.retain(|task| orders.clean.contains(task));
        for task in orders.clean {
            if self.cleaned.insert(task.clone()) {
                rest.push(Tell::Clean(task));
            }
        }
        for request in orders.withdraw {
            if self.withdrawn.insert(request.clone()) {
                rest.push(Tell::Withdraw(request));
            }
        }
        for order in orders.credentials {
            if self.credentials.insert(order.request.clone()) {
                rest.push(Tell::Credential(order));
            }
        }
        for (task, head) in orders.published {
            if self.published.insert((task.clone(), head.clone())) {
                rest.push(Tell::Published(task, head));
            }
        }
        if let Some((execution, reason)) = orders.cancel
            && self.cancelled.as_ref() != Some(&execution)
        {
            self.cancelled = Some(execution.clone());
            rest.push(Tell::Cancel(execution, reason));
        }
        let Some(assign) = orders.assign else {
            return rest;
        };
        let execution = assign.0.id.clone();
        if self.assigned.as_ref() != Some(&execution) {
            self.assigned = Some(execution.clone());
            self.steered.clear();
            rest.push(Tell::Assign(assign));
        }
        for (number, message) in orders.steer {
            if self.steered.insert((execution.clone(), number)) {
                rest.push(Tell::Steer(execution.clone(), number, message));
            }
        }
        rest
    }
}
