//! REST and GraphQL, as far as an orchestrator asks.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::access::{Access, INSTALLATION_ID, Installation};
use super::state::{Issue, State};
use super::{Shared, pulls};

/// A request, taken apart.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// Below `/api`, decoded, without empty parts.
    pub(super) path: Vec<String>,
    pub(super) query: BTreeMap<String, String>,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a Value,
    /// A list lacks its newest item.
    pub(super) stale: bool,
}

impl Request<'_> {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.body[name].as_str()
    }
}

/// An answer: its status and JSON. A list is cut into pages on its way out.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) json: Value,
}

impl Answer {
    pub(super) fn ok(json: Value) -> Self {
        Self::new(StatusCode::OK, json)
    }

    pub(super) fn new(status: StatusCode, json: Value) -> Self {
        Self { status, json }
    }

    pub(super) fn refused(status: StatusCode, message: &str) -> Self {
        let code = status.as_u16().to_string();
        Self::new(
            status,
            json!({ "message": message, "documentation_url": "", "status": code }),
        )
    }

    pub(super) fn not_found() -> Self {
        Self::refused(StatusCode::NOT_FOUND, "Not Found")
    }

    /// `details`: what stands in `errors`.
    pub(super) fn invalid(details: &str) -> Self {
        let error = json!({ "resource": "X", "code": "custom", "message": details });
        let json = json!({ "message": "Validation Failed", "errors": [error], "status": "422" });
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, json)
    }
}

/// Answers a request. The state is locked only while nothing waits.
pub(super) async fn answer(shared: &Shared, request: &Request<'_>) -> Answer {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    let now = shared.state().now();
    if let ["app", "installations", installation, "access_tokens"] = path.as_slice() {
        return mint(shared, request, installation, now);
    }
    if shared.access().is_suspended(request.headers) {
        return suspended();
    }
    let login = shared.access().login(request.headers, now);
    let Some(login) = login else {
        return Answer::refused(StatusCode::UNAUTHORIZED, "Bad credentials");
    };
    if path == ["graphql"] {
        return graphql(&shared.state(), request);
    }
    let below = match path.as_slice() {
        ["repos", owner, repository, below @ ..] if is_ours(&shared.state(), owner, repository) => {
            below
        }
        _other => return Answer::not_found(),
    };
    if below.first() == Some(&"pulls") {
        return pulls::answer(shared, &login, request, &below[1..]).await;
    }
    issues(&mut shared.state(), &login, request, below)
}

fn is_ours(state: &State, owner: &str, repository: &str) -> bool {
    owner.eq_ignore_ascii_case(&state.owner) && repository.eq_ignore_ascii_case(&state.repository)
}

fn suspended() -> Answer {
    Answer::refused(
        StatusCode::FORBIDDEN,
        "This installation has been suspended",
    )
}

fn mint(shared: &Shared, request: &Request<'_>, installation: &str, now: Timestamp) -> Answer {
    if !Access::is_app(request.headers, now) {
        return Answer::refused(
            StatusCode::UNAUTHORIZED,
            "A JSON web token could not be decoded",
        );
    }
    let state = shared.access().installation;
    if installation != INSTALLATION_ID.to_string() || state == Installation::Deleted {
        return Answer::not_found();
    }
    if state == Installation::Suspended {
        return suspended();
    }
    let repository = shared.state().repository.clone();
    let asked = request.body["repositories"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    if asked != [json!(repository)] {
        return Answer::invalid("the token must be asked for the one repository");
    }
    let bot = format!("{}[bot]", super::OWN_LOGIN);
    shared.state().person(&bot, "Bot", "write");
    let (token, expires) = shared.access().mint(&bot, now);
    let permissions = request.body["permissions"].clone();
    let json = json!({ "token": token, "expires_at": expires, "permissions": permissions,
        "repository_selection": "selected" });
    Answer::new(StatusCode::CREATED, json)
}

/// The one question that is asked: when an issue's text was edited.
fn graphql(state: &State, request: &Request<'_>) -> Answer {
    let (query, variables) = (
        request.text("query").unwrap_or_default(),
        &request.body["variables"],
    );
    let named = |name: &str| variables[name].as_str().unwrap_or_default();
    if !query.contains("lastEditedAt") || !is_ours(state, named("owner"), named("name")) {
        let error =
            json!({ "type": "NOT_FOUND", "path": ["repository"], "message": "Could not resolve" });
        return Answer::ok(json!({ "data": { "repository": null }, "errors": [error] }));
    }
    let number = variables["number"].as_u64().unwrap_or_default();
    let issue = state
        .issues
        .get(&number)
        .map(|issue| json!({ "lastEditedAt": issue.text_edited }));
    Answer::ok(json!({ "data": { "repository": { "issue": issue } } }))
}

fn issues(state: &mut State, login: &str, request: &Request<'_>, below: &[&str]) -> Answer {
    match (request.method, below) {
        ("GET", ["collaborators", user, "permission"]) => permission(state, user),
        ("GET", ["issues"]) => list(state, request),
        ("GET", ["issues", "comments", id]) => one_comment(state, id),
        ("PATCH", ["issues", "comments", id]) => edit_comment(state, login, request, id),
        (_, ["issues", number, rest @ ..]) => {
            let number = number.parse().unwrap_or_default();
            if state.issues.contains_key(&number) {
                issue(state, login, request, number, rest)
            } else {
                Answer::not_found()
            }
        }
        _other => Answer::not_found(),
    }
}

fn issue(
    state: &mut State,
    login: &str,
    request: &Request<'_>,
    number: u64,
    rest: &[&str],
) -> Answer {
    match (request.method, rest) {
        ("GET", []) => Answer::ok(shown(state, number)),
        ("GET", ["events"]) => {
            let events = state.events.iter().filter(|event| event.issue == number);
            let mut events = events.map(|event| state.event_json(event)).collect();
            hide_newest(request, &mut events);
            Answer::ok(events.into())
        }
        ("GET", ["dependencies", "blocked_by"]) => {
            let blockers = state
                .issues
                .get(&number)
                .map(|issue| issue.blocked_by.clone());
            let shown = |other: &u64| shown(state, *other);
            Answer::ok(blockers.unwrap_or_default().iter().map(shown).collect())
        }
        ("GET", ["comments"]) => {
            let since = time(request, "since");
            let comments = state
                .comments
                .values()
                .filter(|comment| comment.issue == number);
            let fresh =
                comments.filter(|comment| since.is_none_or(|since| comment.updated >= since));
            let mut list: Vec<Value> = fresh.map(|comment| state.comment_json(comment)).collect();
            hide_newest(request, &mut list);
            Answer::ok(list.into())
        }
        ("POST", ["comments"]) => {
            let Some(text) = request.text("body").filter(|text| text.len() <= 65_536) else {
                return Answer::invalid("body is too long or missing");
            };
            let id = state.comment(login, number, text);
            Answer::new(StatusCode::CREATED, comment_shown(state, id))
        }
        ("POST", ["labels"]) => {
            let labels = request.body["labels"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            for label in labels.iter().filter_map(Value::as_str) {
                state.label(login, number, label);
            }
            Answer::ok(shown(state, number)["labels"].clone())
        }
        ("DELETE", ["labels", label]) => {
            state.unlabel(login, number, label);
            Answer::ok(shown(state, number)["labels"].clone())
        }
        _other => Answer::not_found(),
    }
}

fn shown(state: &State, number: u64) -> Value {
    state
        .issues
        .get(&number)
        .map(|issue| state.issue_json(issue))
        .unwrap_or_default()
}

fn comment_shown(state: &State, id: u64) -> Value {
    state
        .comments
        .get(&id)
        .map(|comment| state.comment_json(comment))
        .unwrap_or_default()
}

fn one_comment(state: &State, id: &str) -> Answer {
    let shown = comment_shown(state, id.parse().unwrap_or_default());
    if shown.is_null() {
        Answer::not_found()
    } else {
        Answer::ok(shown)
    }
}

fn edit_comment(state: &mut State, login: &str, request: &Request<'_>, id: &str) -> Answer {
    let id = id.parse().unwrap_or_default();
    if !state.comments.contains_key(&id) {
        return Answer::not_found();
    }
    let Some(text) = request.text("body") else {
        return Answer::invalid("body is missing");
    };
    state.edit_comment(login, id, text);
    Answer::ok(comment_shown(state, id))
}

fn permission(state: &State, login: &str) -> Answer {
    let Some(person) = state.people.get(login) else {
        return Answer::not_found();
    };
    let permission = match person.role.as_str() {
        "admin" => "admin",
        "maintain" | "write" => "write",
        "triage" | "read" => "read",
        _none => "none",
    };
    let user = state.user_json(login);
    Answer::ok(json!({ "permission": permission, "role_name": person.role, "user": user }))
}

fn list(state: &State, request: &Request<'_>) -> Answer {
    let query = |name: &str| request.query.get(name).map(String::as_str);
    let since = time(request, "since");
    let wanted = query("state").unwrap_or("open");
    let labels: Vec<&str> = query("labels")
        .map(|text| text.split(',').collect())
        .unwrap_or_default();
    let has = |issue: &Issue, label: &str| {
        issue
            .labels
            .iter()
            .any(|known| known.eq_ignore_ascii_case(label))
    };
    let mut issues: Vec<&Issue> = state
        .issues
        .values()
        .filter(|issue| wanted == "all" || issue.open == (wanted == "open"))
        .filter(|issue| since.is_none_or(|since| issue.updated >= since))
        .filter(|issue| labels.iter().all(|label| has(issue, label)))
        .collect();
    if query("sort") == Some("updated") {
        issues.sort_by_key(|issue| issue.updated);
    }
    if query("direction") != Some("asc") {
        issues.reverse();
    }
    if request.stale {
        let newest = issues.iter().map(|issue| issue.number).max();
        issues.retain(|issue| Some(issue.number) != newest);
    }
    Answer::ok(
        issues
            .into_iter()
            .map(|issue| state.issue_json(issue))
            .collect(),
    )
}

/// For a stale list in the order in which things were made.
pub(super) fn hide_newest(request: &Request<'_>, list: &mut Vec<Value>) {
    if request.stale {
        list.pop();
    }
}

fn time(request: &Request<'_>, name: &str) -> Option<Timestamp> {
    request.query.get(name)?.parse().ok()
}
