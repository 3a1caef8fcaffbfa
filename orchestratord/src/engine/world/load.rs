//! The world as the store has it. Starting is no special path: what is loaded is reconciled by the
//! same passes that run while the daemon lives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cloud_code_domain::account::Account;
use cloud_code_domain::agent::Agent;
use cloud_code_domain::credential::CredentialRequest;
use cloud_code_domain::execution::Execution;
use cloud_code_domain::id::{ProjectName, TaskId};
use cloud_code_domain::task::Task;
use cloud_code_domain::time::Timestamp;

use crate::config::Config;
use crate::store::{HostRecord, ProjectRecord, Reservation, SpendRow, Store, StoreError, Table};

use super::changes::{Changes, issue_key};
use super::{Random, World};
use crate::engine::again::Again;
use crate::engine::effect::EffectRecord;
use crate::engine::meters::Meters;

impl World {
    /// Loads what is live.
    ///
    /// # Errors
    /// [`StoreError`] where the store or a record does not read.
    pub fn load(
        config: Arc<Config>,
        store: Arc<Store>,
        seed: u64,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let tasks = keyed(store.scan(Table::Tasks, "")?, |task: &Task| task.id.clone());
        let mut executions = BTreeMap::new();
        let mut requests = BTreeMap::new();
        for id in tasks.keys() {
            let prefix = format!("{id}/");
            let of_task: Vec<Execution> = store.scan(Table::Executions, &prefix)?;
            executions.extend(
                of_task
                    .into_iter()
                    .map(|record| (record.id.clone(), record)),
            );
            let of_task: Vec<CredentialRequest> = store.scan(Table::Requests, &prefix)?;
            requests.extend(
                of_task
                    .into_iter()
                    .map(|record| (record.id.clone(), record)),
            );
        }
        let effects = keyed(store.scan(Table::Effects, "")?, |record: &EffectRecord| {
            record.effect.key()
        });
        let today = format!("{:08}/", now.day());
        let reservations: Vec<Reservation> = store.scan(Table::Reservations, "")?;
        let mut world = Self {
            host: store
                .get(Table::Meta, "host")?
                .unwrap_or_else(HostRecord::default),
            by_issue: by_issue(&tasks),
            circles: BTreeMap::new(),
            looked_up: BTreeMap::new(),
            tasks,
            executions,
            requests,
            effects,
            agents: keyed(store.scan(Table::Agents, "")?, |agent: &Agent| {
                agent.id.clone()
            }),
            accounts: keyed(store.scan(Table::Accounts, "")?, |a: &Account| {
                a.name.clone()
            }),
            projects: keyed(store.scan(Table::Projects, "")?, |p: &ProjectRecord| {
                p.name.clone()
            }),
            spend: keyed(store.scan(Table::Spend, &today)?, SpendRow::key),
            next_call: reservations
                .iter()
                .map(|r| r.call)
                .max()
                .unwrap_or(0)
                .saturating_add(1),
            reservations: keyed(reservations, Reservation::key),
            deliveries: store.scan(Table::Deliveries, "")?.into_iter().collect(),
            finished: store.count(Table::Finished)?,
            live: BTreeMap::new(),
            secrets: BTreeSet::new(),
            disk_short: false,
            disk_free: None,
            meters: Meters::default(),
            since: now,
            warning: String::new(),
            fleet_trouble: None,
            failing: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            again: Again::default(),
            troubles: BTreeMap::new(),
            now,
            next_event: store.last_event()?.saturating_add(1),
            changes: Changes::default(),
            random: Random::new(seed),
            config,
            store,
        };
        world.settle_what_was_under_way();
        world.configured();
        Ok(world)
    }

    /// Effects that were being made have an unknown outcome; calls that were under way are charged
    /// whole.
    fn settle_what_was_under_way(&mut self) {
        let now = self.now;
        self.bound_pauses();
        for (key, record) in &mut self.effects {
            let found = record.found_at_start(now);
            if found != *record {
                *record = found;
                self.changes.effects.insert(key.clone());
            }
        }
        let open: Vec<Reservation> = self.reservations.values().cloned().collect();
        for reservation in open {
            self.settle_call(&reservation.execution, reservation.call, None);
        }
    }

    pub(super) fn finished_task_of_issue(
        &self,
        project: &ProjectName,
        number: u64,
    ) -> Option<Task> {
        let id: Option<TaskId> = self.read(Table::Issues, &issue_key(project, number));
        self.read(Table::Finished, id?.as_str())
    }

    /// Recorded events after `since`; none where they do not read, which is said in the log.
    #[must_use]
    pub fn store_events(&self, since: u64, limit: usize) -> Vec<cloud_code_domain::event::Event> {
        self.store.events(since, limit).unwrap_or_else(|error| {
            tracing::error!(%error, "the events do not read");
            Vec::new()
        })
    }

    /// A page of the history of a task: events below `before`, or the newest. It is empty where it
    /// does not read, which is said in the log.
    #[must_use]
    pub fn events_of_task(
        &self,
        task: &TaskId,
        before: Option<u64>,
        limit: usize,
    ) -> crate::store::TaskEvents {
        let before = before.unwrap_or(u64::MAX);
        let page = self.store.events_of_task(task.as_str(), before, limit);
        page.unwrap_or_else(|error| {
            tracing::error!(%error, %task, "the history of a task does not read");
            crate::store::TaskEvents::default()
        })
    }

    /// Finished tasks of the store, newest first, and how many there are.
    #[must_use]
    pub fn finished_tasks(&self) -> Vec<Task> {
        let mut tasks: Vec<Task> = self
            .store
            .scan(Table::Finished, "")
            .unwrap_or_else(|error| {
                tracing::error!(%error, "the finished tasks do not read");
                Vec::new()
            });
        tasks.sort_by_key(|task| std::cmp::Reverse(task.finished_at));
        tasks
    }

    /// A task and its executions, live or finished.
    #[must_use]
    pub fn whole_task(&self, id: &TaskId) -> Option<(Task, Vec<Execution>)> {
        let live = self.tasks.get(id).cloned();
        let task = live.or_else(|| self.read(Table::Finished, id.as_str()))?;
        let executions = self
            .store
            .scan(Table::Executions, &format!("{id}/"))
            .unwrap_or_default();
        Some((task, executions))
    }

    /// What was spent on the last `days` days, today included.
    #[must_use]
    pub fn spend_since(&self, days: u32) -> Vec<SpendRow> {
        let first = self.now.day().saturating_sub(i64::from(days.max(1)) - 1);
        let rows: Vec<SpendRow> = self.store.scan(Table::Spend, "").unwrap_or_default();
        rows.into_iter().filter(|row| row.day >= first).collect()
    }

    /// A record of the store; none where it does not read, which is said in the log.
    fn read<T: serde::de::DeserializeOwned>(&self, table: Table, key: &str) -> Option<T> {
        self.store.get(table, key).unwrap_or_else(|error| {
            tracing::error!(%error, table = table.name(), key, "a record does not read");
            None
        })
    }
}

fn keyed<K: Ord, T>(records: Vec<T>, key: impl Fn(&T) -> K) -> BTreeMap<K, T> {
    records
        .into_iter()
        .map(|record| (key(&record), record))
        .collect()
}

fn by_issue(tasks: &BTreeMap<TaskId, Task>) -> BTreeMap<(ProjectName, u64), BTreeSet<TaskId>> {
    let mut index: BTreeMap<_, BTreeSet<TaskId>> = BTreeMap::new();
    for task in tasks.values() {
        if let Some(issue) = &task.issue {
            let key = (task.project.clone(), issue.number);
            index.entry(key).or_default().insert(task.id.clone());
        }
    }
    index
}
