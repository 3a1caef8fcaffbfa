use super::*;

const TASK: &str = "k3f9x2ab";

fn read_text(text: &[u8]) -> Result<Option<Claim>, ReportError> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(NAME), text).unwrap();
    read(&Dir::open(dir.path()).unwrap(), &TASK.parse().unwrap())
}

fn refused(text: &[u8]) -> String {
    read_text(text).unwrap_err().to_string()
}

fn task(body: &str) -> String {
    format!("version: 1\ntasks:\n  {TASK}: {body}\n")
}

#[test]
fn the_contract_of_version_1_is_read() {
    let text = "\
version: 1
agent_type: claude-code
agent_id: frontend-1
updated_at: 2026-01-07T10:45:00Z
status: working
tasks:
  k3f9x2ab:
    status: in_progress
    started_at: 2026-01-07T10:31:00Z
    current_step: \"Implementing form validation\"
    summary: |
      Implemented LoginForm.
    progress:
      - timestamp: 2026-01-07T10:31:00Z
        status: received
        message: Task acknowledged
        details: {files_read: [a.tsx], lines_added: 87}
    changes_summary:
      - \"Added LoginForm\"
    files_modified:
      - path: a.tsx
        change_type: created
        lines_added: 87
        lines_removed: 0
    commits: [{sha: abc1234, message: \"feat: add\"}]
    acceptance_criteria:
      - criterion: \"Form renders\"
        status: done
    error: null
    blocked_reason: null
    credential_requests:
      - id: cred-001
        type: npm_token
        scope: \"@acme:registry\"
        reason: private packages
        status: approved
  other234:
    status: waiting
";
    let claim = read_text(text.as_bytes()).unwrap().unwrap();
    assert_eq!(claim.summary.as_deref(), Some("Implemented LoginForm.\n"));
    assert_eq!(claim.files().unwrap()[0].added, 87);
    assert_eq!(claim.criteria()[0].status, CriterionStatus::Done);
    assert_eq!(claim.asks()[0].label, "cred-001");
    assert_eq!(claim.blocked_reason, None);
}

#[test]
fn what_we_write_is_read_back() {
    let mut report = Report {
        summary: Some("yes: 'no'\n# not a comment".into()),
        changes_summary: vec!["- a: b".into(), "null".into(), "1e999".into()],
        ..Report::default()
    };
    report.criteria.push(Criterion {
        criterion: "true".into(),
        status: CriterionStatus::Done,
    });
    let id: TaskId = TASK.parse().unwrap();
    let text = write(&report, &id, "backend", "2026-01-07T10:45:00Z");
    let claim = read_text(text.as_bytes()).unwrap().unwrap();
    assert_eq!(claim.summary, report.summary);
    assert_eq!(claim.changes_summary, Some(report.changes_summary));
    assert_eq!(claim.criteria(), report.criteria);
}

#[test]
fn a_missing_or_empty_file_claims_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let open = Dir::open(dir.path()).unwrap();
    assert_eq!(read(&open, &TASK.parse().unwrap()).unwrap(), None);
    assert_eq!(read_text(b"").unwrap(), None);
    assert_eq!(read_text(b"version: 1\n").unwrap(), None);
}

#[test]
fn only_our_task_counts() {
    let text = "version: 1\ntasks:\n  zzzzzzzz: {summary: foreign}\n  ../../etc: {summary: path}\n";
    assert_eq!(read_text(text.as_bytes()).unwrap(), None);
}

#[test]
fn bombs_are_refused_within_their_budget() {
    let mut aliases = String::from("a: &a [x,x,x,x,x,x,x,x,x]\n");
    for (name, before) in "bcdefghij".chars().zip("abcdefghi".chars()) {
        let nine = format!("*{before},").repeat(9);
        aliases.push_str(&format!("{name}: &{name} [{nine}]\n"));
    }
    let anchored = format!(
        "big: &big {{summary: {}}}\nversion: 1\nlist: [{}]\n",
        "x".repeat(1_000),
        "*big,".repeat(100_000)
    );
    let deep_map = task(&format!("{}{}", "{a: ".repeat(50_000), "}".repeat(50_000)));
    let deep_list = task(&"[".repeat(100_000));
    let deep_block: String = (0..300).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    let wide = task(&format!("{{summary: x, more: [{}]}}", "1,".repeat(30_000)));
    let merge = format!("base: {{summary: x}}\n{}", task("{<<: {summary: y}}"));
    let two = format!("{}---\n{}", task("{summary: x}"), task("{summary: y}"));
    let anchor = task("{summary: &a x}");
    for text in [
        aliases, anchored, deep_map, deep_list, deep_block, wide, merge, two, anchor,
    ] {
        let complaint = refused(text.as_bytes());
        let start: String = text.chars().take(60).collect();
        assert!(complaint.starts_with("it is not a report"), "{start}");
        assert!(complaint.len() < 1_500, "{start}: {}", complaint.len());
    }
}

#[test]
fn a_huge_file_is_not_read_to_its_end() {
    let mut text = b"version: 1\n#".to_vec();
    text.resize(bounds::FILE + 1, b'x');
    assert!(refused(&text).starts_with("it is larger than"));
}

#[test]
fn what_is_no_text_is_refused() {
    assert_eq!(refused(b"version: 1\n#\xff\xfe\xc0\x80"), "it is not UTF-8");
    assert!(refused(b"version: 1\n#\0").contains("NUL"));
}

#[test]
fn wrong_types_and_unknown_words_are_refused_as_a_whole() {
    let twice = format!("version: 1\ntasks:\n  {TASK}: {{summary: a}}\n  {TASK}: {{summary: b}}\n");
    for text in [
        "- a\n- b\n".to_owned(),
        "version: 2\n".to_owned(),
        "version: [1]\n".to_owned(),
        "version: 1\ntasks: [a]\n".to_owned(),
        "version: 1\ntasks: text\n".to_owned(),
        twice,
        task("[a]"),
        task("{summary: [a]}"),
        task("{summary: {a: b}}"),
        task("{progress: {a: b}}"),
        task("{progress: [{status: finished, message: x}]}"),
        task("{files_modified: [{path: a, lines_added: -1}]}"),
        task("{files_modified: [{path: a, lines_added: 1e999}]}"),
        task("{acceptance_criteria: [{criterion: a, status: 7}]}"),
        task("{credential_requests: [npm_token]}"),
        "version: 1\n\tx: y\n".to_owned(),
    ] {
        assert!(read_text(text.as_bytes()).is_err(), "{text}");
    }
}
