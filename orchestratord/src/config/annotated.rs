//! `orchestratord print-config`: every key with what it means.

/// A configuration with every key in it, annotated. Lines `#key = …` show what need not be set.
#[must_use]
pub fn annotated() -> String {
    include_str!("annotated.toml").to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use toml::de::{DeTable, DeValue};

    use super::super::parse::tests::Machine;
    use super::super::{parse, read::Reader};
    use super::*;

    /// The text with every setting switched on. A setting is `#` with a key right behind it.
    fn uncommented() -> String {
        let setting = |line: &str| {
            line.starts_with('#') && line[1..].starts_with(|c: char| c.is_ascii_lowercase())
        };
        let lines = annotated();
        let lines = lines.lines().map(|line| match setting(line) {
            true => &line[1..],
            false => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Every key of a document, names that an operator chooses as `*`.
    fn keys(table: &DeTable<'_>, path: &str, into: &mut BTreeSet<String>) {
        const CHOSEN: [&str; 6] = [
            "accounts",
            "agents.types",
            "coding_cli",
            "coding_cli.*.env",
            "prices",
            "projects[].preferred_agents",
        ];
        for (key, value) in table {
            let name = match CHOSEN.contains(&path) {
                true => "*",
                false => key.get_ref(),
            };
            let path = match path {
                "" => name.to_owned(),
                path => format!("{path}.{name}"),
            };
            into.insert(path.clone());
            match value.get_ref() {
                DeValue::Table(table) => keys(table, &path, into),
                DeValue::Array(items) => {
                    for item in items.iter().filter_map(|item| item.get_ref().as_table()) {
                        keys(item, &format!("{path}[]"), into);
                    }
                }
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_) => {}
            }
        }
    }

    #[test]
    fn every_key_that_is_read_is_printed_and_every_printed_key_is_read() {
        let text = uncommented();
        let document = DeTable::parse(&text).unwrap();
        let mut printed = BTreeSet::new();
        keys(document.get_ref(), "", &mut printed);

        let machine = Machine::new();
        let reader = Reader::new(Path::new("/etc/cloud-code/orchestratord.toml"), &text);
        let base = Path::new("/etc/cloud-code");
        parse::read(reader.root(&document), base, &machine);
        assert_eq!(printed, reader.asked());
    }

    #[test]
    fn what_is_printed_is_a_configuration() {
        let machine = Machine::new();
        let path = Path::new("/etc/cloud-code/orchestratord.toml");
        let config = parse(path, &annotated(), &machine).unwrap_or_else(|p| panic!("{p}"));
        assert_eq!(config.projects.len(), 1);
        // With every default written out it means the same.
        let text = uncommented().replace("token_file = ", "# token_file = ");
        let written = parse(path, &text, &machine).unwrap_or_else(|p| panic!("{p}"));
        let (one, other) = (&config.projects[0], &written.projects[0]);
        assert_eq!(one.trigger_labels, other.trigger_labels);
        assert_eq!(one.gate.pack_bytes, other.gate.pack_bytes);
        assert_eq!(one.task_limit, other.task_limit);
        assert_eq!(one.daily_limit, other.daily_limit);
        assert_eq!(config.agents.max_running, written.agents.max_running);
        assert_eq!(config.agents.limits.silence, written.agents.limits.silence);
    }
}
