//! Pull requests: one per branch, found before it is made.

use cloud_code_domain::id::{Oid, ProjectName};
use cloud_code_domain::issue::{PullRequestSnapshot, PullRequestState};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::client::Client;
use super::trouble::Failure;
use super::wire::Pull;
use crate::ports::{NewPullRequest, Trouble};

#[derive(Debug, Deserialize)]
struct Merged {
    merged: bool,
    #[serde(default)]
    message: String,
}

/// The newest pull request of this branch, an open one before all others: an older one can be open
/// again. GitHub leaves out the filter where it does not like it, and forks have branches of the same
/// name, also those that are deleted by now: so every answer is looked at.
pub(super) async fn find(
    client: &Client,
    project: &ProjectName,
    branch: &str,
) -> Result<Option<PullRequestSnapshot>, Trouble> {
    let head = format!("{}:{branch}", client.owner());
    let query = [("state", "all"), ("head", head.as_str())];
    let pulls: Vec<Pull> = client.list("pulls", &query).await?;
    let ours = |pull: &Pull| {
        let owner = pull.head.user.as_ref().map(|user| user.login.as_str());
        let from_here = match &pull.head.repo {
            Some(repository) => client.is_ours(&repository.full_name),
            None => owner.is_none_or(|owner| owner.eq_ignore_ascii_case(client.owner())),
        };
        pull.head.branch == branch && from_here
    };
    let newest = pulls
        .into_iter()
        .filter(ours)
        .max_by_key(|pull| (pull.state == "open", pull.number));
    Ok(newest.map(|pull| snapshot(project, pull)))
}

pub(super) async fn read(
    client: &Client,
    project: &ProjectName,
    number: u64,
) -> Result<Option<PullRequestSnapshot>, Trouble> {
    match client.get::<Pull>(&format!("pulls/{number}")).await {
        Ok(pull) => Ok(Some(snapshot(project, pull))),
        Err(failure) if failure.is_absent() => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

/// Opens one, or adopts the one that is open already. Whatever a refusal says, what is there is there.
/// Who may not open one, or does not see the repository, has to be let in: that is not the task's
/// fault, and waits.
pub(super) async fn open(
    client: &Client,
    project: &ProjectName,
    new: &NewPullRequest,
) -> Result<PullRequestSnapshot, Trouble> {
    let body = json!({
        "title": new.title,
        "head": new.branch,
        "base": new.into,
        "body": new.body,
    });
    match client.write::<_, Pull>(Method::POST, "pulls", &body).await {
        Ok(pull) => Ok(snapshot(project, pull)),
        Err(failure) => match failure.status {
            Some(StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT) => {
                let found = find(client, project, &new.branch).await?;
                let open = found.filter(|found| found.state == PullRequestState::Open);
                open.ok_or_else(|| not_shown_yet(failure))
            }
            Some(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => Err(not_let_in(failure)),
            Some(_) | None => Err(failure.into()),
        },
    }
}

/// Where GitHub says that there is one, and its list does not show it yet: lists lag behind.
fn not_shown_yet(refusal: Failure) -> Trouble {
    if exists_already(&refusal) {
        let what = refusal.trouble.to_string();
        return Trouble::Later { what, until: None };
    }
    refusal.into()
}

fn not_let_in(refusal: Failure) -> Trouble {
    match refusal.trouble {
        Trouble::Refused { what } => Trouble::Later {
            what: format!("{what}. The token needs to write pull requests of this repository"),
            until: None,
        },
        limited @ (Trouble::Later { .. } | Trouble::Unknown { .. }) => limited,
    }
}

fn exists_already(failure: &Failure) -> bool {
    let said = match &failure.trouble {
        Trouble::Refused { what } => what,
        Trouble::Later { .. } | Trouble::Unknown { .. } => return false,
    };
    failure.status == Some(StatusCode::UNPROCESSABLE_ENTITY)
        && said.to_ascii_lowercase().contains("already exists")
}

pub(super) async fn edit(
    client: &Client,
    number: u64,
    new: &NewPullRequest,
) -> Result<(), Trouble> {
    let path = format!("pulls/{number}");
    let body = json!({ "title": new.title, "body": new.body });
    Ok(client.set(Method::PATCH, &path, &body).await?)
}

pub(super) async fn close(client: &Client, number: u64) -> Result<(), Trouble> {
    let path = format!("pulls/{number}");
    let body = json!({ "state": "closed" });
    Ok(client.set(Method::PATCH, &path, &body).await?)
}

/// Merges it if its head is still `head`. One that is merged already is merged.
pub(super) async fn merge(
    client: &Client,
    project: &ProjectName,
    number: u64,
    head: &Oid,
) -> Result<(), Trouble> {
    let path = format!("pulls/{number}/merge");
    let body = json!({ "sha": head.as_str() });
    let failure = match client.write::<_, Merged>(Method::PUT, &path, &body).await {
        Ok(merged) if merged.merged => return Ok(()),
        Ok(merged) => Failure::refused(format!("PUT {path}: not merged: {}", merged.message)),
        Err(failure) => failure,
    };
    if failure.status == Some(StatusCode::METHOD_NOT_ALLOWED) {
        let now = read(client, project, number).await?;
        if now.is_some_and(|pull| pull.state == PullRequestState::Merged) {
            return Ok(());
        }
    }
    Err(failure.into())
}

fn snapshot(project: &ProjectName, pull: Pull) -> PullRequestSnapshot {
    let state = if pull.merged_at.is_some() || pull.merged == Some(true) {
        PullRequestState::Merged
    } else if pull.state == "open" {
        PullRequestState::Open
    } else {
        PullRequestState::Closed
    };
    PullRequestSnapshot {
        project: project.clone(),
        number: pull.number,
        url: pull.html_url,
        branch: pull.head.branch,
        head: pull.head.sha.and_then(|sha| sha.parse().ok()),
        state,
    }
}
