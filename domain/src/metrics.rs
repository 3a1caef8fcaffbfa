//! Figures for whoever collects them, as OpenMetrics 1.0 text.
//!
//! ```text
//! # TYPE cloud_code_model_cost_dollars counter      family: a name, its kind, its unit
//! # UNIT cloud_code_model_cost_dollars dollars
//! # HELP cloud_code_model_cost_dollars What model calls came to.
//! cloud_code_model_cost_dollars_total{account="main"} 1.25     point: labels, a number
//! # EOF
//! ```
//!
//! Whatever is given as a label, the text is valid: labels are made one visible line, bounded and
//! escaped, and points whose labels are then the same are one point, their sum.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::text;
use crate::time::Timestamp;

/// What every name begins with.
const PREFIX: &str = "cloud_code";
/// Characters of a label's value at most.
const LABEL: usize = 200;
/// The decimal places of micro-dollars and microseconds.
pub const MICRO: u32 = 6;
/// The decimal places of milliseconds.
pub const MILLI: u32 = 3;

/// Upper bounds of a [`Histogram`]'s buckets, in microseconds.
const BOUNDS: [u64; 13] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
    10_000_000,
];

/// How often something took how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Histogram {
    /// How many fell into each bucket, and after them those that are in none.
    counts: [u64; BOUNDS.len() + 1],
    /// Microseconds, all together.
    sum: u64,
}

impl Histogram {
    /// Counts one.
    pub fn observe(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
        self.sum = self.sum.saturating_add(micros);
    }
}

/// The kinds of families there are here.
#[derive(Debug, Clone)]
enum Points {
    /// What is so now.
    Gauge(BTreeMap<String, u64>),
    /// What only grows.
    Counter(BTreeMap<String, u64>),
    /// What does not change while the program runs.
    Info(BTreeMap<String, u64>),
    /// How long something took.
    Histogram(Histogram),
}

/// Figures of one kind.
#[derive(Debug, Clone)]
pub struct Family {
    name: &'static str,
    help: &'static str,
    unit: &'static str,
    /// Decimal places: a point is a whole number of the last of them.
    places: u32,
    /// From when on it counts, where that is not always.
    since: Option<Timestamp>,
    points: Points,
}

impl Family {
    fn new(name: &'static str, help: &'static str, points: Points) -> Self {
        Self {
            name,
            help,
            unit: "",
            places: 0,
            since: None,
            points,
        }
    }

    /// What is so now. The name is `snake_case`, without prefix and unit.
    #[must_use]
    pub fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, Points::Gauge(BTreeMap::new()))
    }

    /// What only grows; its points end with `_total`.
    #[must_use]
    pub fn counter(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, Points::Counter(BTreeMap::new()))
    }

    /// What stands in labels; its points end with `_info`.
    #[must_use]
    pub fn info(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, Points::Info(BTreeMap::new()))
    }

    /// How long something took, in seconds.
    #[must_use]
    pub fn histogram(name: &'static str, help: &'static str, of: Histogram) -> Self {
        Self::new(name, help, Points::Histogram(of)).in_unit("seconds", MICRO)
    }

    /// In a base unit, which ends the name. Points are given in its `places`th decimal place.
    #[must_use]
    pub fn in_unit(mut self, unit: &'static str, places: u32) -> Self {
        (self.unit, self.places) = (unit, places);
        self
    }

    /// It counts from this time on.
    #[must_use]
    pub fn since(mut self, at: Timestamp) -> Self {
        self.since = Some(at);
        self
    }

    /// A point, or more of one that there is.
    #[must_use]
    pub fn point(mut self, labels: &[(&'static str, &str)], value: u64) -> Self {
        self.add(labels, value);
        self
    }

    /// The same, in place.
    pub fn add(&mut self, labels: &[(&'static str, &str)], value: u64) {
        match &mut self.points {
            Points::Gauge(points) | Points::Counter(points) | Points::Info(points) => {
                let point = points.entry(shown(labels)).or_default();
                *point = point.saturating_add(value);
            }
            Points::Histogram(_) => {}
        }
    }

    fn write(&self, out: &mut String) {
        let name = match self.unit {
            "" => format!("{PREFIX}_{}", self.name),
            unit => format!("{PREFIX}_{}_{unit}", self.name),
        };
        let kind = match self.points {
            Points::Gauge(_) => "gauge",
            Points::Counter(_) => "counter",
            Points::Info(_) => "info",
            Points::Histogram(_) => "histogram",
        };
        line(out, format_args!("# TYPE {name} {kind}"));
        if !self.unit.is_empty() {
            line(out, format_args!("# UNIT {name} {}", self.unit));
        }
        line(out, format_args!("# HELP {name} {}", escaped(self.help)));
        let created = self.since.map(|at| {
            let millis = u64::try_from(at.0).unwrap_or(0);
            decimal(millis, MILLI)
        });
        match &self.points {
            Points::Gauge(points) => self.write_points(out, &name, points, None),
            Points::Counter(points) => {
                let total = format!("{name}_total");
                let created = created.map(|at| (format!("{name}_created"), at));
                self.write_points(out, &total, points, created.as_ref());
            }
            Points::Info(points) => self.write_points(out, &format!("{name}_info"), points, None),
            Points::Histogram(histogram) => {
                write_histogram(out, &name, histogram);
                if let Some(at) = created {
                    line(out, format_args!("{name}_created {at}"));
                }
            }
        }
    }

    /// What belongs to one set of labels stands together.
    fn write_points(
        &self,
        out: &mut String,
        name: &str,
        points: &BTreeMap<String, u64>,
        created: Option<&(String, String)>,
    ) {
        for (labels, value) in points {
            line(
                out,
                format_args!("{name}{labels} {}", decimal(*value, self.places)),
            );
            if let Some((name, at)) = created {
                line(out, format_args!("{name}{labels} {at}"));
            }
        }
    }
}

/// Buckets hold what is in the smaller ones too, and bounds are written as fractions.
fn write_histogram(out: &mut String, name: &str, histogram: &Histogram) {
    let mut below = 0_u64;
    for (index, count) in histogram.counts.iter().enumerate() {
        below = below.saturating_add(*count);
        let bound = BOUNDS.get(index).map(|bound| decimal(*bound, MICRO));
        let bound = bound.map(|text| match text.contains('.') {
            true => text,
            false => format!("{text}.0"),
        });
        let bound = bound.as_deref().unwrap_or("+Inf");
        line(out, format_args!("{name}_bucket{{le=\"{bound}\"}} {below}"));
    }
    line(out, format_args!("{name}_count {below}"));
    let sum = decimal(histogram.sum, MICRO);
    line(out, format_args!("{name}_sum {sum}"));
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _written = out.write_fmt(text);
    out.push('\n');
}

/// `{name="value",…}`, or nothing where there are no labels.
fn shown(labels: &[(&'static str, &str)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let labels = labels.iter().map(|(name, value)| {
        let value = escaped(&text::one_line(value, LABEL));
        format!("{name}=\"{value}\"")
    });
    format!("{{{}}}", labels.collect::<Vec<_>>().join(","))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// A whole number of the last of some decimal places, exactly and without zeros at its end.
fn decimal(value: u64, places: u32) -> String {
    let one = 10_u64.saturating_pow(places);
    let (whole, rest) = (value / one, value % one);
    if rest == 0 {
        return whole.to_string();
    }
    let width = usize::try_from(places).unwrap_or(0);
    let rest = format!("{rest:0width$}");
    format!("{whole}.{}", rest.trim_end_matches('0'))
}

/// All of it, with the mark of its end.
#[must_use]
pub fn exposition(families: &[Family]) -> String {
    let mut out = String::new();
    for family in families {
        family.write(&mut out);
    }
    out.push_str("# EOF\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_its_kind_its_unit_and_its_points_in_base_units() {
        let cost = Family::counter("model_cost", "What calls came to.")
            .in_unit("dollars", MICRO)
            .since(Timestamp(1_700_000_000_250))
            .point(&[("account", "main")], 1_250_000)
            .point(&[("account", "other")], 7);
        let free = Family::gauge("disk_free", "Room.")
            .in_unit("bytes", 0)
            .point(&[], 42);
        let text = "\
# TYPE cloud_code_model_cost_dollars counter
# UNIT cloud_code_model_cost_dollars dollars
# HELP cloud_code_model_cost_dollars What calls came to.
cloud_code_model_cost_dollars_total{account=\"main\"} 1.25
cloud_code_model_cost_dollars_created{account=\"main\"} 1700000000.25
cloud_code_model_cost_dollars_total{account=\"other\"} 0.000007
cloud_code_model_cost_dollars_created{account=\"other\"} 1700000000.25
# TYPE cloud_code_disk_free_bytes gauge
# UNIT cloud_code_disk_free_bytes bytes
# HELP cloud_code_disk_free_bytes Room.
cloud_code_disk_free_bytes 42
# EOF
";
        assert_eq!(exposition(&[cost, free]), text);
    }

    #[test]
    fn a_histogram_counts_what_is_at_most_its_bound() {
        let mut took = Histogram::default();
        for micros in [100, 101, 999_999, 60_000_000] {
            took.observe(Duration::from_micros(micros));
        }
        let text = exposition(&[Family::histogram("commit", "A commit.", took)]);
        for line in [
            "cloud_code_commit_seconds_bucket{le=\"0.0001\"} 1",
            "cloud_code_commit_seconds_bucket{le=\"0.00025\"} 2",
            "cloud_code_commit_seconds_bucket{le=\"0.25\"} 2",
            "cloud_code_commit_seconds_bucket{le=\"1.0\"} 3",
            "cloud_code_commit_seconds_bucket{le=\"10.0\"} 3",
            "cloud_code_commit_seconds_bucket{le=\"+Inf\"} 4",
            "cloud_code_commit_seconds_count 4",
            "cloud_code_commit_seconds_sum 61.0002",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }

    #[test]
    fn a_hostile_label_adds_no_line_and_ends_no_string() {
        let hostile = "a\"} 1\n# EOF\r\n\u{1b}[2J\\ \u{202e}b";
        let text =
            exposition(&[Family::gauge("tasks", "Tasks.").point(&[("project", hostile)], 3)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        let point = lines.get(2).copied().unwrap_or_default();
        assert!(
            point.starts_with("cloud_code_tasks{project=\"a\\\"} 1 # EOF "),
            "{point}"
        );
        assert!(point.ends_with("b\"} 3"), "{point}");
        assert!(!text.chars().any(|c| c != '\n' && c.is_control()), "{text}");
        assert!(!text.contains('\u{202e}'), "{text}");
    }

    #[test]
    fn points_that_look_the_same_are_one() {
        let family = Family::gauge("tasks", "Tasks.")
            .point(&[("project", "a\u{200b}b")], 1)
            .point(&[("project", "ab")], 2);
        let text = exposition(&[family]);
        assert!(
            text.contains("cloud_code_tasks{project=\"ab\"} 3\n"),
            "{text}"
        );
    }
}
