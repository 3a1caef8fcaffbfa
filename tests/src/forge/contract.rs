//! Holds every request against GitHub's published description, where that is at hand: the method and
//! path, the names in the query, the names in the body.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

/// Where the description is: `CLOUD_CODE_SHARED_DATA`, or a folder beside the repository.
#[must_use]
pub fn shared_data() -> PathBuf {
    std::env::var_os("CLOUD_CODE_SHARED_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    )
}

/// GitHub's description, or nothing.
#[derive(Debug, Default)]
pub(super) struct Contract {
    operations: Vec<(String, Vec<String>)>,
    described: Value,
}

impl Contract {
    pub(super) fn load() -> Self {
        let read = |name: &str| -> Option<Value> {
            let text = std::fs::read(shared_data().join("github").join(name)).ok()?;
            serde_json::from_slice(&text).ok()
        };
        let operations: Vec<(String, String, String)> = read("all-operations.json")
            .and_then(|list| serde_json::from_value(list).ok())
            .unwrap_or_default();
        Self {
            operations: operations
                .into_iter()
                .map(|(method, path, _)| (method, segments(&path)))
                .collect(),
            described: read("openapi.json").unwrap_or_default(),
        }
    }

    /// What is wrong with the request.
    pub(super) fn violations(
        &self,
        method: &str,
        path: &str,
        query: &str,
        body: &Value,
    ) -> Vec<String> {
        if self.operations.is_empty() || path == "/graphql" {
            return Vec::new();
        }
        let asked = segments(path);
        let template = self
            .operations
            .iter()
            .find(|(known, template)| known == method && fits(template, &asked));
        let Some((_, template)) = template else {
            return vec![format!("{method} {path}: no such operation")];
        };
        let path = format!("/{}", template.join("/"));
        let operation = &self.described["paths"][&path][method.to_lowercase()];
        if operation.is_null() {
            return Vec::new();
        }
        let mut wrong = self.unknown_in_query(operation, query);
        wrong.extend(self.unknown_in_body(operation, body));
        wrong
            .into_iter()
            .map(|what| format!("{method} {path}: {what}"))
            .collect()
    }

    fn unknown_in_query(&self, operation: &Value, query: &str) -> Vec<String> {
        let listed = operation["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let names: BTreeSet<String> = listed
            .iter()
            .map(|parameter| self.resolved(parameter))
            .filter_map(|parameter| parameter["name"].as_str().map(str::to_owned))
            .collect();
        query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .filter_map(|pair| pair.split('=').next())
            .filter(|name| !names.contains(*name))
            .map(|name| format!("no parameter {name:?}"))
            .collect()
    }

    fn unknown_in_body(&self, operation: &Value, body: &Value) -> Vec<String> {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let schema = self.resolved(schema);
        let (Some(known), Some(body)) = (schema["properties"].as_object(), body.as_object()) else {
            return Vec::new();
        };
        let unknown = body.keys().filter(|name| !known.contains_key(*name));
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let absent = required
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| !body.contains_key(*name));
        unknown
            .map(|name| format!("no field {name:?}"))
            .chain(absent.map(|name| format!("field {name:?} is required")))
            .collect()
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Some(reference) = value["$ref"].as_str() else {
            return value;
        };
        let pointer = reference.trim_start_matches('#');
        self.described.pointer(pointer).unwrap_or(&Value::Null)
    }
}

fn segments(path: &str) -> Vec<String> {
    path.trim_matches('/')
        .split('/')
        .map(str::to_owned)
        .collect()
}

fn fits(template: &[String], asked: &[String]) -> bool {
    template.len() == asked.len()
        && template
            .iter()
            .zip(asked)
            .all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
}
