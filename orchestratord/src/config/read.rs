//! A reader that walks a TOML document and collects mistakes instead of stopping at the first.
//!
//! ```text
//! Reader (text, mistakes) ──▶ Section (a table) ──▶ Field (a value) ──▶ a typed value, or none
//!                                 │ finish(): keys that nobody asked for are mistakes
//! ```
//!
//! None means that the mistake is already noted; callers go on with the next key.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, meant, quoted};

/// The document, and the mistakes found in it so far.
#[derive(Debug)]
pub(super) struct Reader<'t> {
    file: &'t Path,
    text: &'t str,
    /// From where on the file is no TOML. What is missing may only have been lost, and what comes later
    /// may have lost its section: nobody is told to add the one or to remove the other.
    broken: Option<usize>,
    problems: RefCell<Vec<(usize, Problem)>>,
    /// Every key that was asked for, names chosen by the operator as `*`.
    asked: RefCell<BTreeSet<String>>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(file: &'t Path, text: &'t str) -> Self {
        Self {
            file,
            text,
            broken: None,
            problems: RefCell::default(),
            asked: RefCell::default(),
        }
    }

    /// Notes what makes the text no TOML.
    pub(super) fn note_syntax(&mut self, errors: &[toml::de::Error]) {
        for error in errors {
            let span = error.span().unwrap_or(self.text.len()..self.text.len());
            let first = self.broken.unwrap_or(span.start);
            self.broken = Some(first.min(span.start));
            let remedy = if error.message().contains("duplicate") {
                "keep one of them"
            } else {
                "write it as TOML does; `orchestratord print-config` shows every key"
            };
            self.note(&span, "", error.message().to_owned(), remedy);
        }
    }

    pub(super) fn note(
        &self,
        span: &Range<usize>,
        key: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (line, column) = self.position(span.start);
        let problem = Problem {
            file: self.file.to_owned(),
            line,
            column,
            key: key.to_owned(),
            message: message.into(),
            remedy: remedy.into(),
        };
        self.problems.borrow_mut().push((span.start, problem));
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// The mistakes in the order of the file, each once.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut found = self.problems.into_inner();
        found.sort_by_key(|(offset, _)| *offset);
        found.dedup();
        found.into_iter().map(|(_, problem)| problem).collect()
    }

    #[cfg(test)]
    pub(super) fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }

    pub(super) fn root<'r>(&'r self, table: &'r Spanned<DeTable<'t>>) -> Section<'r, 't> {
        Section {
            reader: self,
            table: Some(table.get_ref()),
            path: String::new(),
            pattern: String::new(),
            span: 0..0,
            asked: RefCell::default(),
        }
    }
}

/// A table of the document; also one that is not there, whose keys all have their defaults.
#[derive(Debug)]
pub(super) struct Section<'r, 't> {
    reader: &'r Reader<'t>,
    table: Option<&'r DeTable<'t>>,
    path: String,
    pattern: String,
    span: Range<usize>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'r, 't> Section<'r, 't> {
    /// Whether it is written in the file.
    pub(super) fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// Notes a mistake of the section as a whole.
    pub(super) fn note(&self, message: impl Into<String>, remedy: impl Into<String>) {
        self.reader.note(&self.span, &self.path, message, remedy);
    }

    /// The value of a key, if it is there.
    pub(super) fn optional(&self, key: &'static str) -> Option<Field<'r, 't>> {
        self.asked.borrow_mut().push(key);
        let pattern = join(&self.pattern, key);
        self.reader.asked.borrow_mut().insert(pattern.clone());
        let value = self.table?.get(key)?;
        Some(Field {
            reader: self.reader,
            path: join(&self.path, key),
            pattern,
            span: value.span(),
            value: value.get_ref(),
        })
    }

    /// The value of a key that has to be there.
    pub(super) fn required(&self, key: &'static str, remedy: &str) -> Option<Field<'r, 't>> {
        let field = self.optional(key);
        if field.is_none() && self.reader.broken.is_none() {
            let path = join(&self.path, key);
            self.reader
                .note(&self.span, &path, "is missing", remedy.to_owned());
        }
        field
    }

    /// A table below this one.
    pub(super) fn section(&self, key: &'static str) -> Section<'r, 't> {
        match self.optional(key) {
            Some(field) => field.section(),
            None => Section {
                reader: self.reader,
                table: None,
                path: join(&self.path, key),
                pattern: join(&self.pattern, key),
                span: self.span.clone(),
                asked: RefCell::default(),
            },
        }
    }

    /// A table whose keys the operator chooses, in the order of the file.
    pub(super) fn entries(&self, key: &'static str) -> Vec<(Name<'r>, Field<'r, 't>)> {
        self.optional(key)
            .map(|field| field.entries())
            .unwrap_or_default()
    }

    /// An array of tables.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'r, 't>> {
        let Some(field) = self.optional(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = field.value else {
            field.wrong_type(&format!("tables, each under [[{key}]]"));
            return Vec::new();
        };
        let fields = items.iter().enumerate().map(|(index, item)| Field {
            reader: field.reader,
            path: format!("{}[{index}]", field.path),
            pattern: format!("{}[]", field.pattern),
            span: item.span(),
            value: item.get_ref(),
        });
        fields.map(|item| item.section()).collect()
    }

    /// Says of every key that nobody asked for that it is unknown. Call it last.
    pub(super) fn finish(self) {
        let asked = self.asked.borrow();
        for key in self.table.into_iter().flat_map(|table| table.keys()) {
            let name: &str = key.get_ref();
            let broken = self.reader.broken;
            if asked.contains(&name) || broken.is_some_and(|from| key.span().start >= from) {
                continue;
            }
            let remedy = match meant(name, asked.iter().copied()) {
                Some(known) => format!("did you mean {known}?"),
                None => format!("remove it; there is {}", asked.join(", ")),
            };
            let path = join(&self.path, &bare(name));
            self.reader
                .note(&key.span(), &path, "is not a key that we know", remedy);
        }
    }
}

/// A key that the operator chose.
#[derive(Debug, Clone)]
pub(super) struct Name<'r> {
    pub(super) text: &'r str,
    pub(super) span: Range<usize>,
}

/// A value of the document.
#[derive(Debug, Clone)]
pub(super) struct Field<'r, 't> {
    reader: &'r Reader<'t>,
    path: String,
    pattern: String,
    span: Range<usize>,
    value: &'r DeValue<'t>,
}

impl<'r, 't> Field<'r, 't> {
    /// Notes a mistake of this value.
    pub(super) fn note(&self, message: impl Into<String>, remedy: impl Into<String>) {
        self.reader.note(&self.span, &self.path, message, remedy);
    }

    /// Notes a mistake of the key that leads here.
    pub(super) fn note_name(&self, name: &Name<'_>, message: impl Into<String>, remedy: &str) {
        self.reader.note(&name.span, &self.path, message, remedy);
    }

    pub(super) fn wrong_type(&self, wanted: &str) {
        self.note(
            format!("is {}", described(self.value)),
            format!("write {wanted}"),
        );
    }

    /// Where it stands in the text, to put things into the order of the file.
    pub(super) fn start(&self) -> usize {
        self.span.start
    }

    pub(super) fn raw(&self) -> &'r DeValue<'t> {
        self.value
    }

    pub(super) fn text(&self) -> Option<String> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong_type("a text in quotation marks");
        }
        text.map(str::to_owned)
    }

    pub(super) fn flag(&self) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.wrong_type("true or false");
        }
        flag
    }

    /// Texts in a list, each with where it stands.
    pub(super) fn texts(&self) -> Option<Vec<(String, Self)>> {
        let DeValue::Array(items) = self.value else {
            self.wrong_type("a list of texts: [\"…\", \"…\"]");
            return None;
        };
        let text = |(index, item): (usize, &'r Spanned<DeValue<'t>>)| {
            let field = Self {
                reader: self.reader,
                path: format!("{}[{index}]", self.path),
                pattern: format!("{}[]", self.pattern),
                span: item.span(),
                value: item.get_ref(),
            };
            Some((field.text()?, field))
        };
        // Every item is looked at, also after a mistake.
        let texts: Vec<_> = items.iter().enumerate().map(text).collect();
        texts.into_iter().collect()
    }

    pub(super) fn section(&self) -> Section<'r, 't> {
        let table = self.value.as_table();
        if table.is_none() {
            self.wrong_type("a table");
        }
        Section {
            reader: self.reader,
            table,
            path: self.path.clone(),
            pattern: self.pattern.clone(),
            span: self.span.clone(),
            asked: RefCell::default(),
        }
    }

    fn entries(&self) -> Vec<(Name<'r>, Self)> {
        let DeValue::Table(table) = self.value else {
            self.wrong_type("a table");
            return Vec::new();
        };
        let pattern = join(&self.pattern, "*");
        self.reader.asked.borrow_mut().insert(pattern.clone());
        let entry = |(key, value): (&'r Spanned<_>, &'r Spanned<DeValue<'t>>)| {
            let text: &'r std::borrow::Cow<'t, str> = key.get_ref();
            let name = Name {
                text,
                span: key.span(),
            };
            let field = Self {
                reader: self.reader,
                path: join(&self.path, &bare(text)),
                pattern: pattern.clone(),
                span: value.span(),
                value: value.get_ref(),
            };
            (name, field)
        };
        table.iter().map(entry).collect()
    }
}

fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text {}", quoted(text)),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// A key as it is written: quoted where it has to be.
fn bare(key: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !key.is_empty() && key.len() <= 60 && key.bytes().all(plain) {
        key.to_owned()
    } else {
        quoted(key)
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
