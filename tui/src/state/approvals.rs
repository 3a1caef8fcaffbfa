//! Credential requests that wait for the operator.

use std::collections::BTreeMap;

use cloud_code_proto::v1;

/// The pending requests by id.
#[derive(Debug, Default)]
pub(crate) struct Approvals(BTreeMap<String, v1::Approval>);

impl Approvals {
    /// Takes a snapshot.
    pub(crate) fn replace(&mut self, approvals: Vec<v1::Approval>) {
        self.0.clear();
        for approval in approvals {
            self.put(approval);
        }
    }

    /// Takes a request; one that is no longer pending leaves the list.
    pub(crate) fn put(&mut self, approval: v1::Approval) {
        if approval.state == "pending" {
            self.0.insert(approval.id.clone(), approval);
        } else {
            self.0.remove(&approval.id);
        }
    }

    /// How many wait.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// A request.
    #[must_use]
    pub(crate) fn get(&self, id: &str) -> Option<&v1::Approval> {
        self.0.get(id)
    }

    /// The requests of a task.
    pub(crate) fn of_task<'a>(&'a self, task: &'a str) -> impl Iterator<Item = &'a v1::Approval> {
        self.0.values().filter(move |one| one.task == task)
    }

    /// The rows of the list: who waits longest comes first.
    #[must_use]
    pub(crate) fn rows(&self) -> Vec<&v1::Approval> {
        let mut rows: Vec<&v1::Approval> = self.0.values().collect();
        rows.sort_by_key(|approval| approval.asked_at_ms);
        rows
    }
}
