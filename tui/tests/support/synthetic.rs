//! A fleet that does not exist: every state that a screen shows, with fixed numbers.

use cloud_code_proto::v1;

/// Noon, so that no screen depends on the hour that a test runs at.
pub(crate) const NOW: i64 = 1_767_268_800_000; // 2026-01-01T12:00:00Z

const MINUTE: i64 = 60_000;

/// A task.
pub(crate) struct TaskSpec {
    pub(crate) id: &'static str,
    pub(crate) issue: u64,
    pub(crate) title: &'static str,
    pub(crate) state: &'static str,
    pub(crate) detail: &'static str,
    pub(crate) needs: bool,
    pub(crate) priority: u32,
    pub(crate) agent: &'static str,
    pub(crate) cents: u64,
    pub(crate) minutes: i64,
    pub(crate) actions: &'static [&'static str],
}

#[rustfmt::skip] // a table: one row, one line
const TASKS: [TaskSpec; 14] = [
    spec("k3f9x2ab", 57, "Rotate the webhook secret", "blocked", "waits for the credential npm_token read", true, 0, "backend-2", 31, 26, &["cancel", "priority", "steer"]),
    spec("m7t2q4cd", 61, "Backfill orders.total", "triage", "its author may not trigger work: mallory (read)", true, 2, "", 0, 9, &["accept", "reject", "priority"]),
    spec("p8w5r6ef", 40, "Upgrade vite to 7", "failed", "out of attempts: the coding CLI ended with 137", true, 1, "frontend-2", 190, 125, &["retry", "reassign", "cancel", "priority", "steer"]),
    spec("q2z7s3gh", 52, "Publish the changelog", "blocked", "the gate refused the result: .github/workflows/release.yml is protected", true, 2, "devops-1", 9, 71, &["pass", "steer", "cancel", "priority"]),
    spec("r4x8t5jk", 44, "Pin the base images", "blocked", "its cost limit of $2.00 is reached", true, 1, "devops-2", 201, 61, &["grant", "cancel", "priority", "steer"]),
    spec("s6y9v7mn", 42, "Add a dark mode toggle", "in_progress", "", false, 1, "frontend-1", 84, 41, &["cancel", "priority", "steer"]),
    spec("t3a4w8pq", 38, "Fix the login redirect", "in_progress", "", false, 1, "backend-1", 102, 63, &["cancel", "priority", "steer"]),
    spec("v5b6x9rs", 62, "Add a rate limiter", "assigned", "", false, 2, "backend-3", 0, 2, &["cancel", "priority", "steer"]),
    spec("w7c8y2tv", 35, "Update the API docs", "review", "pull request #118 waits for people", false, 2, "backend-1", 44, 190, &["merge", "close", "steer", "cancel", "priority"]),
    spec("x9d2z3wx", 63, "Fix the flaky checkout test", "pending", "waits for an idle testing agent", false, 1, "", 0, 5, &["cancel", "priority", "reassign", "steer"]),
    spec("y2e3a4yz", 64, "Paginate the audit log", "pending", "waits until #62 is done", false, 2, "", 0, 6, &["cancel", "priority", "reassign", "steer"]),
    spec("z4f5b6ab", 65, "Remove dead CSS", "pending", "", false, 3, "", 0, 8, &["cancel", "priority", "reassign", "steer"]),
    spec("a6g7c8de", 66, "Spell-check the docs", "pending", "", false, 4, "", 0, 9, &["cancel", "priority", "reassign", "steer"]),
    spec("b8h9d2fg", 67, "Überschriften 日本語 wide text", "pending", "", false, 4, "", 0, 12, &["cancel", "priority", "reassign", "steer"]),
];

#[expect(clippy::too_many_arguments, reason = "a row of a table")]
const fn spec(
    id: &'static str,
    issue: u64,
    title: &'static str,
    state: &'static str,
    detail: &'static str,
    needs: bool,
    priority: u32,
    agent: &'static str,
    cents: u64,
    minutes: i64,
    actions: &'static [&'static str],
) -> TaskSpec {
    TaskSpec {
        id,
        issue,
        title,
        state,
        detail,
        needs,
        priority,
        agent,
        cents,
        minutes,
        actions,
    }
}

/// A task of the wire.
pub(crate) fn task(spec: &TaskSpec, now: i64) -> v1::Task {
    let running = spec.state == "in_progress";
    let failed = spec.state == "failed";
    let review = spec.state == "review";
    v1::Task {
        id: spec.id.to_owned(),
        version: 3,
        project: "acme/app".to_owned(),
        issue_number: Some(spec.issue),
        issue_url: Some(format!("https://forge.example/acme/app/issues/{}", spec.issue)),
        title: spec.title.to_owned(),
        state: spec.state.to_owned(),
        state_detail: spec.detail.to_owned(),
        needs_operator: spec.needs,
        priority: spec.priority,
        task_type: "feature".to_owned(),
        agent_type: "backend".to_owned(),
        agent: if spec.agent.is_empty() { String::new() } else { format!("acme-app.{}", spec.agent) },
        coding_cli: "claude-code".to_owned(),
        attempts: u32::from(!spec.agent.is_empty()) + 2 * u32::from(failed),
        max_attempts: 3,
        cost_micro_usd: spec.cents * 10_000,
        cost_limit_micro_usd: 2_000_000,
        tokens_in: spec.cents * 21_000,
        tokens_out: spec.cents * 900,
        blocked_reason: match (spec.state, spec.detail) {
            ("blocked", detail) if detail.contains("credential") => "needs_credential",
            ("blocked", detail) if detail.contains("gate") => "publish_rejected",
            ("blocked", _) => "cost_limit",
            _ => "",
        }
        .to_owned(),
        pull_request: review.then(|| v1::PullRequest {
            number: Some(118),
            url: "https://forge.example/acme/app/pull/118".to_owned(),
            head: "def56789aa".to_owned(),
            added: 231,
            removed: 18,
            files: 6,
            state: "open".to_owned(),
        }),
        branch: format!("cloud-code/{}", spec.issue),
        labels: vec!["cloud-code".to_owned()],
        criteria_done: if running { 3 } else { 0 },
        criteria_total: if running || review { 5 } else { 0 },
        created_at_ms: now - spec.minutes * MINUTE,
        updated_at_ms: now - spec.minutes * MINUTE / 2,
        started_at_ms: None,
        finished_at_ms: None,
        last_error: if failed { "npm ERR! code ELIFECYCLE, exit 137 (killed, out of memory) at step 14 \"npm run build\"" } else { "" }.to_owned(),
        current_step: if running { "running vitest theme.spec" } else { "" }.to_owned(),
        actions: spec.actions.iter().map(|name| (*name).to_owned()).collect(),
        waits_until_ms: None,
        notional_micro_usd: 0,
        tokens_counted: 0,
        token_limit: 1_000_000,
        counts_tokens: false,
    }
}

fn agent(name: &str, state: &str, task: &str, connected: bool, now: i64) -> v1::Agent {
    let size = u64::try_from(name.len()).unwrap_or(1);
    v1::Agent {
        id: format!("acme-app.{name}"),
        name: name.to_owned(),
        project: "acme/app".to_owned(),
        agent_type: name.split('-').next().unwrap_or_default().to_owned(),
        state: state.to_owned(),
        state_detail: String::new(),
        task: task.to_owned(),
        execution: String::new(),
        connected,
        last_heard_ms: connected.then_some(now - 2 * MINUTE),
        cpu_percent: if state == "working" { 61 } else { 0 },
        memory_bytes: size * 110_000_000,
        disk_free_bytes: 40 << 30,
        cost_today_micro_usd: size * 71_000,
        succeeded: 4,
        failed: 1,
        runtime: "docker".to_owned(),
        image: "cloud-code/backend:1".to_owned(),
        confined: true,
        agentd_version: "0.1.0".to_owned(),
        created_at_ms: now - 372 * MINUTE,
        workspace_mode: "shared".to_owned(),
    }
}

fn approval(
    id: &str,
    kind: &str,
    scope: &str,
    refused: bool,
    minutes: i64,
    now: i64,
) -> v1::Approval {
    v1::Approval {
        id: id.to_owned(),
        version: 3,
        task: "k3f9x2ab".to_owned(),
        project: "acme/app".to_owned(),
        agent: "backend-2".to_owned(),
        kind: kind.to_owned(),
        scope: scope.to_owned(),
        reason: "install the private package @acme/ui-components".to_owned(),
        label: "npm".to_owned(),
        state: "pending".to_owned(),
        policy: if refused {
            "a token that could push is never given"
        } else {
            "publish tokens always wait for a person"
        }
        .to_owned(),
        secret_known: !refused,
        on_approve:
            "NPM_TOKEN is put into the next turn of this task only; the agent resumes at once"
                .to_owned(),
        on_deny: "the agent is told your note, and goes on without it".to_owned(),
        asked_at_ms: now - minutes * MINUTE,
        answered_by: String::new(),
        note: String::new(),
        refused,
    }
}

fn event(
    seq: u64,
    minutes: i64,
    who: (&str, &str),
    what: (&str, &str),
    detail: &str,
    now: i64,
) -> v1::Event {
    v1::Event {
        seq,
        at_ms: now - minutes * MINUTE,
        actor_kind: who.0.to_owned(),
        actor: who.1.to_owned(),
        subject_kind: "task".to_owned(),
        subject: what.0.to_owned(),
        kind: what.1.to_owned(),
        detail: detail.to_owned(),
    }
}

#[rustfmt::skip] // a table: one row, one line
fn agents(now: i64) -> Vec<v1::Agent> {
    vec![
        agent("backend-1", "working", "t3a4w8pq", true, now),
        agent("backend-2", "idle", "", true, now),
        agent("backend-3", "provisioning", "v5b6x9rs", false, now),
        agent("devops-1", "idle", "", true, now),
        agent("devops-2", "working", "r4x8t5jk", false, now),
        agent("frontend-1", "working", "s6y9v7mn", true, now),
        agent("frontend-2", "idle", "", true, now),
        agent("testing-1", "retired", "", false, now),
    ]
}

#[rustfmt::skip] // a table: one row, one line
fn events(now: i64) -> Vec<v1::Event> {
    vec![
        event(18_199, 41, ("engine", ""), ("s6y9v7mn", "task_assigned"), "to frontend-1", now),
        event(18_200, 33, ("agent", "frontend-1"), ("s6y9v7mn", "progress_reported"), "planning", now),
        event(18_201, 26, ("operator", "jo"), ("z4f5b6ab", "priority_changed"), "P2 to P3", now),
        event(18_202, 12, ("engine", ""), ("p8w5r6ef", "task_failed"), "the coding CLI ended with 137", now),
        event(18_203, 9, ("tracker", "mallory"), ("m7t2q4cd", "task_created"), "label cloud-code", now),
        event(18_204, 4, ("agent", "backend-2"), ("k3f9x2ab", "credential_requested"), "npm_token publish @acme", now),
    ]
}

/// The fleet.
pub(crate) fn snapshot(now: i64) -> v1::Snapshot {
    v1::Snapshot {
        server_version: "0.1.0".to_owned(),
        protocol: cloud_code_proto::PROTOCOL,
        host: "vps-1".to_owned(),
        operator: "jo".to_owned(),
        seq: 18_204,
        tasks: TASKS.iter().map(|spec| task(spec, now)).collect(),
        finished_tasks: 212,
        agents: agents(now),
        approvals: vec![
            approval("cred-014", "npm_token", "publish @acme", false, 4, now),
            approval("cred-015", "github_token", "write", true, 2, now),
        ],
        accounts: vec![
            account("main", "anthropic", "", 15_270_000, false),
            account("team", "anthropic", "usage_limit", 2_580_000, true),
        ],
        projects: vec![v1::Project {
            name: "acme/app".to_owned(),
            tracker: "github".to_owned(),
            repository: "https://forge.example/acme/app".to_owned(),
            halted: false,
            cost_today_micro_usd: 15_820_000,
            daily_limit_micro_usd: 50_000_000,
            tokens_today: 8_400_000,
            daily_token_limit: 25_000_000,
            warning: String::new(),
        }],
        coding_clis: ["claude-code", "codex"].map(str::to_owned).into(),
        events: events(now),
        totals: Some(v1::Totals {
            halted: false,
            cost_today_micro_usd: 18_400_000,
            daily_limit_micro_usd: 50_000_000,
            tokens_today: 8_400_000,
            daily_token_limit: 25_000_000,
            notional_today_micro_usd: 2_580_000,
            finished_tasks: 212,
            warning: String::new(),
            unconfined: false,
        }),
    }
}

fn account(name: &str, kind: &str, parking: &str, cost: u64, notional: bool) -> v1::Account {
    v1::Account {
        name: name.to_owned(),
        kind: kind.to_owned(),
        auth: if notional { "claude_token" } else { "api_key" }.to_owned(),
        parking: parking.to_owned(),
        parked_until_ms: (!parking.is_empty()).then_some(NOW + 95 * MINUTE),
        cost_today_micro_usd: cost,
        tokens_today: 8_400_000,
        notional,
    }
}

/// Everything about a task.
pub(crate) fn detail(id: &str, now: i64) -> Option<v1::TaskDetail> {
    let task = snapshot(now).tasks.into_iter().find(|task| task.id == id)?;
    let progress = |minutes: i64, status: v1::ReportStatus, message: &str| v1::Progress {
        at_ms: now - minutes * MINUTE,
        status: status.into(),
        message: message.to_owned(),
    };
    let criterion = |text: &str, status: v1::CriterionStatus| v1::Criterion {
        criterion: text.to_owned(),
        status: status.into(),
    };
    Some(v1::TaskDetail {
        task: Some(task),
        description:
            "Readers ask for a dark theme.\n\nIt follows the system, and remembers a choice."
                .to_owned(),
        criteria: vec![
            criterion(
                "the toggle is visible in the settings",
                v1::CriterionStatus::Done,
            ),
            criterion(
                "the choice persists across a reload",
                v1::CriterionStatus::Done,
            ),
            criterion(
                "it respects prefers-color-scheme",
                v1::CriterionStatus::Done,
            ),
            criterion(
                "the end-to-end test passes",
                v1::CriterionStatus::InProgress,
            ),
            criterion("the docs are updated", v1::CriterionStatus::Pending),
        ],
        summary: String::new(),
        changes_summary: vec!["theme provider that reads a cookie".to_owned()],
        progress: vec![
            progress(40, v1::ReportStatus::Received, "from issue #42"),
            progress(
                38,
                v1::ReportStatus::Planning,
                "read 14 files below src/theme and src/pages",
            ),
            progress(
                32,
                v1::ReportStatus::InProgress,
                "create src/theme/ThemeProvider.tsx",
            ),
            progress(
                21,
                v1::ReportStatus::InProgress,
                "wire the toggle into Settings.tsx",
            ),
            progress(
                4,
                v1::ReportStatus::InProgress,
                "12 tests pass, 1 is running",
            ),
        ],
        executions: vec![
            execution(1, "failed", "timed_out", 33, now - 90 * MINUTE),
            execution(2, "running", "", 51, now - 41 * MINUTE),
        ],
        conversation: vec![v1::ConversationEntry {
            number: 0,
            kind: "steer".to_owned(),
            author: "jo".to_owned(),
            text: "use a cookie, not localStorage: see ADR-7".to_owned(),
            at_ms: now - 22 * MINUTE,
            delivered: true,
        }],
        diff: DIFF.to_owned(),
        diff_cut: true,
        base: "a1b2c3d4".to_owned(),
        events: history(id, u64::MAX, 4, now),
        events_before: HISTORY - 4,
        ..v1::TaskDetail::default()
    })
}

/// Events of every task's history.
pub(crate) const HISTORY: u64 = 12;

/// A page of the history of a task: the newest below a number, oldest first.
pub(crate) fn history(id: &str, below: u64, limit: u64, now: i64) -> Vec<v1::Event> {
    let first = 18_000;
    let end = below.min(first + HISTORY);
    let begin = end.saturating_sub(limit).max(first);
    let steps = [
        "accepted", "assigned", "started", "failed", "retried", "steered",
    ];
    (begin..end)
        .zip(
            steps
                .iter()
                .cycle()
                .skip(usize::try_from(begin - first).unwrap_or(0)),
        )
        .map(|(seq, kind)| {
            let minutes = i64::try_from(first + HISTORY - seq).unwrap_or(0) + 41;
            event(seq, minutes, ("engine", ""), (id, kind), "frontend-1", now)
        })
        .collect()
}

const DIFF: &str = "\
diff --git a/src/theme/ThemeProvider.tsx b/src/theme/ThemeProvider.tsx
index 11aa22b..33cc44d 100644
--- a/src/theme/ThemeProvider.tsx
+++ b/src/theme/ThemeProvider.tsx
@@ -12,4 +12,5 @@
 export function ThemeProvider({ children }: Props) {
-\tconst [t, setT] = useState(localStorage.theme ?? \"light\")
+\tconst [t, setT] = useState(readCookie(\"theme\") ?? systemTheme())
+\tuseEffect(() => writeCookie(\"theme\", t), [t])
 \treturn <Ctx.Provider value={{ t, setT }}>{children}</Ctx.Provider>
 }
";

fn execution(number: u32, state: &str, cause: &str, cents: u64, at: i64) -> v1::Execution {
    v1::Execution {
        id: format!("s6y9v7mn-{number}"),
        number,
        agent: "frontend-1".to_owned(),
        coding_cli: "claude-code".to_owned(),
        state: state.to_owned(),
        cause: cause.to_owned(),
        started_at_ms: at,
        ended_at_ms: None,
        models: vec!["claude-sonnet".to_owned()],
        input_tokens: cents * 3_000,
        output_tokens: cents * 800,
        cache_read_tokens: cents * 18_000,
        cache_write_tokens: 0,
        cost_micro_usd: cents * 10_000,
        summary: String::new(),
    }
}

/// What was spent.
pub(crate) fn costs() -> Vec<v1::CostRow> {
    let row = |day: &str, agent: &str, task: &str, model: &str, cents: u64| v1::CostRow {
        day: day.to_owned(),
        project: "acme/app".to_owned(),
        agent: agent.to_owned(),
        task: task.to_owned(),
        model: model.to_owned(),
        account: "main".to_owned(),
        cost_micro_usd: cents * 10_000,
        input_tokens: cents * 900,
        output_tokens: cents * 300,
        cache_read_tokens: cents * 4_000,
        cache_write_tokens: cents * 200,
        calls: cents / 6,
        notional: model == "claude-opus",
        tokens_counted: cents * 1_400,
    };
    vec![
        row("2026-01-01", "frontend-2", "p8w5r6ef", "claude-sonnet", 410),
        row("2026-01-01", "backend-1", "t3a4w8pq", "claude-sonnet", 392),
        row("2026-01-01", "frontend-1", "s6y9v7mn", "claude-opus", 331),
        row("2026-01-01", "devops-2", "r4x8t5jk", "gpt-5", 244),
        row("2025-12-31", "backend-2", "k3f9x2ab", "claude-sonnet", 463),
    ]
}

/// Lines of a log.
pub(crate) fn log(now: i64) -> Vec<v1::LogLine> {
    let lines = [
        (
            v1::LogLevel::Info,
            v1::LogCategory::ToolInput,
            "vitest run theme.spec (12 tests)",
        ),
        (
            v1::LogLevel::Info,
            v1::LogCategory::Llm,
            "claude-sonnet 18.2k in, 0.9k out, $0.06",
        ),
        (
            v1::LogLevel::Warning,
            v1::LogCategory::ToolOutput,
            "retry 1/2 login.spec timeout 30000ms",
        ),
        (
            v1::LogLevel::Debug,
            v1::LogCategory::ToolOutput,
            "toggles the class on <html> 14 ms",
        ),
        (
            v1::LogLevel::Error,
            v1::LogCategory::ToolOutput,
            "npm ERR! 401 Unauthorized @acme/ui-components - GET https://registry.example/@acme%2fui-components - authentication token not provided",
        ),
        (
            v1::LogLevel::Info,
            v1::LogCategory::System,
            "credential request npm_token publish",
        ),
        (
            v1::LogLevel::Info,
            v1::LogCategory::Message,
            "I will use a cookie, as you said.",
        ),
    ];
    (0i64..)
        .zip(lines.iter().cycle())
        .take(60)
        .map(|(index, (level, category, text))| v1::LogLine {
            at_ms: now - (60 - index) * 1_000,
            level: (*level).into(),
            category: (*category).into(),
            text: (*text).to_owned(),
        })
        .collect()
}
