//! The REST of pull requests.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Shared;
use super::rest::{Answer, Request, hide_newest};
use super::state::{Issue, Pull, State};

pub(super) async fn answer(
    shared: &Shared,
    login: &str,
    request: &Request<'_>,
    below: &[&str],
) -> Answer {
    match (request.method, below) {
        ("GET", []) => list(&shared.state(), request),
        ("POST", []) => open(&mut shared.state(), login, request),
        ("PUT", [number, "merge"]) => {
            let number = number.parse().unwrap_or_default();
            merge(shared, login, request, number).await
        }
        (_, [number, rest @ ..]) => {
            let number = number.parse().unwrap_or_default();
            one(&mut shared.state(), login, request, number, rest)
        }
        _other => Answer::not_found(),
    }
}

fn one(
    state: &mut State,
    login: &str,
    request: &Request<'_>,
    number: u64,
    rest: &[&str],
) -> Answer {
    let shown = |state: &State| {
        state
            .issues
            .get(&number)
            .and_then(|issue| state.pull_json(issue))
    };
    if shown(state).is_none() {
        return Answer::not_found();
    }
    match (request.method, rest) {
        ("GET", []) => Answer::ok(shown(state).unwrap_or_default()),
        ("PATCH", []) => {
            let (title, body) = (request.text("title"), request.text("body"));
            if title.is_some() || body.is_some() {
                state.edit(login, number, title, body);
            }
            if let Some(wanted) = request.text("state") {
                state.set_open(login, number, wanted == "open");
            }
            Answer::ok(shown(state).unwrap_or_default())
        }
        ("GET", ["reviews"]) => {
            let reviews = state.reviews.iter().filter(|review| review.pull == number);
            Answer::ok(reviews.map(|review| state.review_json(review)).collect())
        }
        ("GET", ["comments"]) => {
            let comments = state.review_comments.iter();
            let comments = comments.filter(|comment| comment.pull == number);
            Answer::ok(
                comments
                    .map(|comment| state.review_comment_json(comment))
                    .collect(),
            )
        }
        _other => Answer::not_found(),
    }
}

fn list(state: &State, request: &Request<'_>) -> Answer {
    let query = |name: &str| request.query.get(name).map(String::as_str);
    let wanted = query("state").unwrap_or("open");
    let head = query("head").and_then(|head| head.split_once(':'));
    let matches = |issue: &&Issue| {
        let Some(pull) = &issue.pull else {
            return false;
        };
        let of_head =
            head.is_none_or(|(owner, branch)| owner == state.owner && branch == pull.head);
        of_head && (wanted == "all" || issue.open == (wanted == "open"))
    };
    let pulls = state.issues.values().filter(matches);
    let mut list: Vec<Value> = pulls.filter_map(|issue| state.pull_json(issue)).collect();
    for pull in &mut list {
        // The short form has no such field.
        if let Value::Object(members) = pull {
            members.remove("merged");
        }
    }
    hide_newest(request, &mut list);
    list.reverse();
    Answer::ok(list.into())
}

fn open(state: &mut State, login: &str, request: &Request<'_>) -> Answer {
    let (Some(head), Some(base)) = (request.text("head"), request.text("base")) else {
        return Answer::invalid("head and base are required");
    };
    let head = head.rsplit_once(':').map_or(head, |(_, branch)| branch);
    let (Some(head_sha), Some(base_sha)) = (state.branches.get(head), state.branches.get(base))
    else {
        return Answer::invalid("head or base is invalid");
    };
    if head_sha == base_sha {
        return Answer::invalid(&format!("No commits between {base} and {head}"));
    }
    let same = |issue: &Issue| {
        let pull = issue.pull.as_ref();
        issue.open && pull.is_some_and(|pull| pull.head == head && pull.base == base)
    };
    if state.issues.values().any(same) {
        let owner = &state.owner;
        return Answer::invalid(&format!(
            "A pull request already exists for {owner}:{head}."
        ));
    }
    let pull = Pull {
        head: head.to_owned(),
        head_sha: head_sha.clone(),
        base: base.to_owned(),
        merged: None,
        merge_sha: None,
    };
    let (title, body) = (request.text("title"), request.text("body"));
    let number = state.create_pull(
        login,
        title.unwrap_or_default(),
        body.unwrap_or_default(),
        pull,
    );
    let shown = state
        .issues
        .get(&number)
        .and_then(|issue| state.pull_json(issue));
    Answer::new(StatusCode::CREATED, shown.unwrap_or_default())
}

async fn merge(shared: &Shared, login: &str, request: &Request<'_>, number: u64) -> Answer {
    let pull = {
        let state = shared.state();
        let issue = state.issues.get(&number);
        let open = issue.is_some_and(|issue| issue.open);
        issue
            .and_then(|issue| issue.pull.clone())
            .map(|pull| (pull, open))
    };
    let Some((pull, open)) = pull else {
        return Answer::not_found();
    };
    if !open {
        return Answer::refused(
            StatusCode::METHOD_NOT_ALLOWED,
            "Pull Request is not mergeable",
        );
    }
    if request.text("sha").is_some_and(|sha| sha != pull.head_sha) {
        let message = "Head branch was modified. Review and try the merge again.";
        return Answer::refused(StatusCode::CONFLICT, message);
    }
    match merge_now(shared, login, number, &pull).await {
        Ok(Some(sha)) => {
            let message = "Pull Request successfully merged";
            Answer::ok(json!({ "merged": true, "message": message, "sha": sha }))
        }
        Ok(None) => Answer::refused(StatusCode::METHOD_NOT_ALLOWED, "Pull Request has conflicts"),
        Err(error) => Answer::refused(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error:#}")),
    }
}

/// Merges in the repository and then here; none where they conflict.
pub(super) async fn merge_now(
    shared: &Shared,
    by: &str,
    number: u64,
    pull: &Pull,
) -> anyhow::Result<Option<String>> {
    let message = format!("Merge pull request #{number}");
    let merged = shared
        .git
        .merge(&pull.base, &pull.head_sha, &message)
        .await?;
    if let Some(sha) = &merged {
        shared.refresh(by).await?;
        shared.state().merged(by, number, sha);
    }
    Ok(merged)
}
