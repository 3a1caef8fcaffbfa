//! What the scripted CLI claims in `.cloud-code/reporting.yaml`. JSON is YAML.

use std::fs;
use std::io;

use serde_json::{Map, Value, json};

use super::state::{State, Tasking};

/// The claim of our task.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    task: String,
    fields: Map<String, Value>,
}

impl Claim {
    /// Goes on with what the session claimed before.
    pub(super) fn new(tasking: &Tasking, state: &State) -> Self {
        let mut fields = state.claim.clone();
        fields.remove("blocked_reason");
        Self {
            task: tasking.id.clone(),
            fields,
        }
    }

    fn list(&mut self, name: &str) -> Option<&mut Vec<Value>> {
        self.fields
            .entry(name)
            .or_insert_with(|| Value::Array(Vec::new()))
            .as_array_mut()
    }

    fn push(&mut self, name: &str, value: Value) {
        if let Some(list) = self.list(name)
            && !list.contains(&value)
        {
            list.push(value);
        }
    }

    pub(super) fn progress(&mut self, text: &str) {
        self.push("progress", json!({ "message": text }));
    }

    pub(super) fn change(&mut self, text: &str) {
        self.push("changes_summary", json!(text));
    }

    pub(super) fn summary(&mut self, text: &str) {
        self.fields.insert("summary".into(), json!(text));
    }

    pub(super) fn block(&mut self, reason: &str) {
        self.fields.insert("blocked_reason".into(), json!(reason));
    }

    pub(super) fn request(&mut self, kind: &str, scope: &str, reason: &str) {
        let ask = json!({ "id": kind, "type": kind, "scope": scope, "reason": reason });
        self.push("credential_requests", ask);
    }

    /// The criterion with this number, from 1, or all.
    pub(super) fn criteria_done(&mut self, tasking: &Tasking, which: Option<usize>) {
        for (index, criterion) in tasking.criteria.iter().enumerate() {
            if which.is_none_or(|number| number == index + 1) {
                let done = json!({ "criterion": criterion, "status": "done" });
                self.push("acceptance_criteria", done);
            }
        }
    }

    /// `KEY VALUE`, or a mapping in one line of YAML.
    pub(super) fn set(&mut self, text: &str) -> Result<(), String> {
        if text.starts_with('{') {
            let fields: Map<String, Value> =
                serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
            self.fields.extend(fields);
            return Ok(());
        }
        let (key, value) = text.split_once(' ').unwrap_or((text, ""));
        match key {
            "progress" => self.progress(value),
            "change" => self.change(value),
            _ => drop(self.fields.insert(key.to_owned(), json!(value))),
        }
        Ok(())
    }

    pub(super) fn write(&self, state: &mut State) -> io::Result<()> {
        state.claim.clone_from(&self.fields);
        let file = json!({ "version": 1, "tasks": { &self.task: &self.fields } });
        fs::write(".cloud-code/.reporting", format!("{file:#}\n"))?;
        fs::rename(".cloud-code/.reporting", ".cloud-code/reporting.yaml")
    }
}
