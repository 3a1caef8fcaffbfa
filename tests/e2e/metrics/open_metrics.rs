//! A strict reader of OpenMetrics 1.0 text: what it does not expect is a mistake.
//!
//! ```text
//!  # TYPE, # UNIT, # HELP ─▶ family ─▶ its samples, those of one set of labels together ─▶ # EOF
//! ```

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};

type Labels = BTreeMap<String, String>;

/// What was read: each sample's value by name and labels.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    samples: BTreeMap<(String, Labels), f64>,
}

impl Exposition {
    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
        let labels = labels.iter();
        let labels = labels.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let key = (name.to_owned(), labels.collect());
        let value = self.samples.get(&key).copied();
        value.with_context(|| format!("there is no {key:?}"))
    }

    /// The names of all samples.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.samples.keys().map(|(name, _)| name)
    }
}

/// A family while its lines are read.
#[derive(Default)]
struct Family {
    name: String,
    kind: String,
    described: BTreeSet<&'static str>,
    /// Sets of labels that are done with, and the one whose samples are being read.
    done: BTreeSet<Labels>,
    current: Option<Labels>,
    /// The buckets of a histogram: bound and count.
    buckets: Vec<(f64, f64)>,
    has_samples: bool,
}

/// Reads all of it.
pub(super) fn read(text: &str) -> Result<Exposition> {
    let body = text.strip_suffix("# EOF\n").context("it has no end")?;
    ensure!(body.is_empty() || body.ends_with('\n'), "# EOF is no line");
    let mut read = Exposition::default();
    let (mut family, mut names) = (Family::default(), BTreeSet::new());
    for line in body.lines() {
        let what = || format!("in the line {line:?}");
        if let Some(description) = line.strip_prefix("# ") {
            describe(&mut family, &mut names, description).with_context(what)?;
        } else {
            let (name, labels, value) = sample(line).with_context(what)?;
            family.take(&name, &labels, value).with_context(what)?;
            let twice = read.samples.insert((name, labels), value);
            ensure!(twice.is_none(), "the same sample twice: {line:?}");
        }
    }
    for name in &names {
        for end in ["_total", "_created", "_count", "_sum", "_bucket", "_info"] {
            let other = format!("{name}{end}");
            ensure!(!names.contains(&other), "{name} and {other} are in the way");
        }
    }
    for (name, labels) in read
        .samples
        .keys()
        .filter(|(name, _)| name.ends_with("_sum"))
    {
        let family = name.trim_end_matches("_sum");
        let count = (format!("{family}_count"), labels.clone());
        ensure!(read.samples.contains_key(&count), "{family} has no count");
    }
    Ok(read)
}

fn describe(family: &mut Family, names: &mut BTreeSet<String>, line: &str) -> Result<()> {
    let mut words = line.splitn(3, ' ');
    let (Some(what), Some(name)) = (words.next(), words.next()) else {
        bail!("it is cut");
    };
    let rest = words.next().context("it is cut")?;
    ensure!(is_name(name), "{name:?} is no name");
    if family.name != name {
        ensure!(names.insert(name.to_owned()), "{name} began before");
        *family = Family {
            name: name.to_owned(),
            ..Family::default()
        };
    }
    ensure!(!family.has_samples, "it comes after its samples");
    let what = match what {
        "TYPE" => {
            let kinds = ["gauge", "counter", "info", "histogram"];
            ensure!(kinds.contains(&rest), "{rest:?} is no kind");
            rest.clone_into(&mut family.kind);
            "TYPE"
        }
        "UNIT" => {
            ensure!(name.ends_with(&format!("_{rest}")), "its name has no unit");
            "UNIT"
        }
        "HELP" => {
            ensure!(
                !rest.is_empty() && unescape(rest)?.ends_with('.'),
                "no help"
            );
            "HELP"
        }
        other => bail!("{other:?} is not known"),
    };
    ensure!(family.described.insert(what), "{what} is there twice");
    Ok(())
}

impl Family {
    fn take(&mut self, name: &str, labels: &Labels, value: f64) -> Result<()> {
        self.has_samples = true;
        let end = name.strip_prefix(self.name.as_str());
        let end = end.with_context(|| format!("it is none of {}", self.name))?;
        let ends: &[&str] = match self.kind.as_str() {
            "gauge" => &[""],
            "counter" => &["_total", "_created"],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_count", "_sum", "_created"],
            _ => bail!("its family has no kind"),
        };
        ensure!(ends.contains(&end), "{end:?} is nothing of a {}", self.kind);
        ensure!(end != "_info" || value == 1.0, "an info is not 1");
        ensure!(self.kind == "gauge" || value >= 0.0, "it is negative");
        let mut group = labels.clone();
        let bound = group.remove("le");
        ensure!(bound.is_some() == (end == "_bucket"), "le");
        if self.current.as_ref() != Some(&group) {
            ensure!(self.done.insert(group.clone()), "its labels came before");
            self.current = Some(group);
            self.buckets.clear();
        }
        match (end, bound) {
            ("_bucket", Some(bound)) => {
                ensure!(
                    bound.contains('.') || bound == "+Inf",
                    "{bound} is no fraction"
                );
                let bound = number(&bound)?;
                let grows = |(below, count): &(f64, f64)| *below < bound && *count <= value;
                ensure!(self.buckets.last().is_none_or(grows), "buckets do not grow");
                self.buckets.push((bound, value));
            }
            ("_count", _) => {
                let last = self.buckets.last();
                ensure!(last == Some(&(f64::INFINITY, value)), "not all are counted");
            }
            _ => {}
        }
        Ok(())
    }
}

/// `name{label="value",…} number`, without a time.
fn sample(line: &str) -> Result<(String, Labels, f64)> {
    let end = line.find(['{', ' ']).context("it has no value")?;
    let (name, mut rest) = line.split_at(end);
    ensure!(is_name(name), "{name:?} is no name");
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, value) = rest.split_once("=\"").context("no label")?;
            ensure!(is_name(label) && !label.contains(':'), "{label:?}");
            let close = closing_quote(value).context("a label does not end")?;
            let twice = labels.insert(label.to_owned(), unescape(&value[..close])?);
            ensure!(twice.is_none(), "{label} twice");
            rest = &value[close + 1..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').context("its labels do not end")?;
    }
    let value = rest.strip_prefix(' ').context("no space")?;
    Ok((name.to_owned(), labels, number(value)?))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return Some(at),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

fn unescape(text: &str) -> Result<String> {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some(c @ ('\\' | '"')) => c,
                other => bail!("{other:?} is escaped"),
            },
            c => {
                ensure!(!c.is_control(), "a control character");
                c
            }
        });
    }
    Ok(plain)
}

/// Digits and a point; `+Inf` as the last bound.
fn number(text: &str) -> Result<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    ensure!(plain && !text.is_empty() || text == "+Inf", "{text:?}");
    Ok(text.parse()?)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[test]
fn what_is_no_open_metrics_is_not_read() {
    let head = "# TYPE a counter\n# HELP a A.\n";
    let good = format!("{head}a_total{{b=\"c\"}} 1\n# EOF\n");
    assert!(read(&good).is_ok(), "{:?}", read(&good));
    for (part, instead) in [
        ("# EOF\n", ""),
        ("# EOF\n", "\n# EOF\n"),
        ("# EOF\n", "# EOF\n# EOF\n"),
        (
            "a_total{b=\"c\"} 1\n",
            "a_total{b=\"c\"} 1\na_total{b=\"c\"} 1\n",
        ),
        ("a_total", "a"),
        ("a_total", "b_total"),
        ("b=\"c\"", "b=\"c\",b=\"c\""),
        ("b=\"c\"", "b=\"\\d\""),
        ("b=\"c\"", "b=\"\"c\""),
        (" 1\n", " -1\n"),
        (" 1\n", " 1 \n"),
        ("# TYPE a counter\n", ""),
        ("# HELP a A.\n", "# HELP a A.\n# HELP a A.\n"),
        ("# HELP a A.\n", "# UNIT a bytes\n"),
    ] {
        let bad = good.replace(part, instead);
        assert!(bad != good && read(&bad).is_err(), "{bad}");
    }
}
