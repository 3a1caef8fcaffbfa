//! The table: quantity, goal, figure, what it was measured beside, and the load of the machine.

use std::fmt;
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    quantity: String,
    goal: String,
    figure: String,
    beside: String,
    load: String,
}

/// How long something took, many times.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<Duration>);

impl Samples {
    pub(super) fn add(&mut self, took: Duration) {
        self.0.push(took);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value that `percent` of the samples do not exceed.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(at).copied().unwrap_or_default()
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |percent| self.percentile(percent).as_secs_f64() * 1_000.0;
        let (middle, high) = (millis(50), millis(99));
        write!(
            f,
            "p50 {middle:.1} ms, p99 {high:.1} ms (n={})",
            self.0.len()
        )
    }
}

impl Table {
    pub(super) fn new() -> Self {
        Self { rows: Vec::new() }
    }

    pub(super) fn row(
        &mut self,
        quantity: &str,
        goal: &str,
        figure: impl fmt::Display,
        beside: impl fmt::Display,
    ) {
        self.rows.push(Row {
            quantity: quantity.to_owned(),
            goal: goal.to_owned(),
            figure: figure.to_string(),
            beside: beside.to_string(),
            load: load(),
        });
    }
}

/// How many processes wanted to run on average over the last minute.
fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("?").to_owned()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| quantity | goal | figure | beside | load |")?;
        writeln!(f, "| --- | --- | --- | --- | --- |")?;
        for row in &self.rows {
            let Row {
                quantity,
                goal,
                figure,
                beside,
                load,
            } = row;
            writeln!(f, "| {quantity} | {goal} | {figure} | {beside} | {load} |")?;
        }
        Ok(())
    }
}
