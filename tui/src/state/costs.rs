//! What was spent, by day, project, agent, model or task.

use std::collections::BTreeMap;

use cloud_code_proto::v1;

use super::Tasks;

/// What the sums are made over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Dimension {
    /// By day.
    Day,
    /// By project.
    Project,
    /// By agent.
    #[default]
    Agent,
    /// By model.
    Model,
    /// By task.
    Task,
}

impl Dimension {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::Day,
        Self::Project,
        Self::Agent,
        Self::Model,
        Self::Task,
    ];

    /// The word.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Project => "project",
            Self::Agent => "agent",
            Self::Model => "model",
            Self::Task => "task",
        }
    }

    /// The next one.
    #[must_use]
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Day => Self::Project,
            Self::Project => Self::Agent,
            Self::Agent => Self::Model,
            Self::Model => Self::Task,
            Self::Task => Self::Day,
        }
    }

    fn key(self, row: &v1::CostRow) -> &str {
        match self {
            Self::Day => &row.day,
            Self::Project => &row.project,
            Self::Agent => &row.agent,
            Self::Model => &row.model,
            Self::Task => &row.task,
        }
    }
}

/// A sum.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CostLine {
    /// Over what: a day, the name of a project, agent or model, the id of a task.
    pub key: String,
    /// How a task is called.
    pub label: String,
    /// Millionths of a dollar, `about` included.
    pub cost: u64,
    /// The part of them that is what a subscription's tokens would have cost.
    pub about: u64,
    /// Tokens in, caches included.
    pub tokens_in: u64,
    /// Tokens out.
    pub tokens_out: u64,
    /// Tokens read from a cache, part of `tokens_in`.
    pub cached: u64,
    /// Model calls.
    pub calls: u64,
    /// Part of it was a subscription's: dollars are what it would have cost.
    pub notional: bool,
}

/// What the server said was spent.
#[derive(Debug, Default)]
pub(crate) struct Costs {
    /// The rows.
    pub rows: Vec<v1::CostRow>,
    /// How many days they cover; 0 before the first answer.
    pub days: u32,
    /// When they were asked for, by the wall clock in milliseconds.
    pub asked_at: i64,
    /// Why they could not be loaded.
    pub error: Option<String>,
}

impl Costs {
    /// The sums: days newest first, all else the most expensive first.
    #[must_use]
    pub(crate) fn lines(&self, dimension: Dimension, tasks: &Tasks) -> Vec<CostLine> {
        let mut lines = sums(&self.rows, dimension);
        if dimension == Dimension::Task {
            for line in &mut lines {
                if let Some(task) = tasks.get(&line.key) {
                    line.label = format!("{} {}", task.short(), task.wire.title);
                }
            }
        }
        lines
    }

    /// All of it.
    #[must_use]
    pub(crate) fn total(&self) -> u64 {
        self.rows
            .iter()
            .fold(0, |sum: u64, row| sum.saturating_add(row.cost_micro_usd))
    }
}

/// Sums rows of costs: days newest first, all else the most expensive first.
#[must_use]
pub(crate) fn sums(rows: &[v1::CostRow], dimension: Dimension) -> Vec<CostLine> {
    let mut lines: BTreeMap<&str, CostLine> = BTreeMap::new();
    for row in rows {
        let key = dimension.key(row);
        let line = lines.entry(key).or_insert_with(|| CostLine {
            key: key.to_owned(),
            label: key.to_owned(),
            ..CostLine::default()
        });
        let fresh = row.input_tokens.saturating_add(row.cache_write_tokens);
        line.cost = line.cost.saturating_add(row.cost_micro_usd);
        line.cached = line.cached.saturating_add(row.cache_read_tokens);
        line.tokens_in = line
            .tokens_in
            .saturating_add(fresh)
            .saturating_add(row.cache_read_tokens);
        line.tokens_out = line.tokens_out.saturating_add(row.output_tokens);
        line.calls = line.calls.saturating_add(row.calls);
        line.notional |= row.notional;
        if row.notional {
            line.about = line.about.saturating_add(row.cost_micro_usd);
        }
    }
    let mut lines: Vec<CostLine> = lines.into_values().collect();
    if dimension == Dimension::Day {
        lines.reverse();
    } else {
        lines.sort_by(|one, other| (other.cost, &one.key).cmp(&(one.cost, &other.key)));
    }
    lines
}
