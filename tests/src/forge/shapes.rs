//! The forms in which GitHub tells of things: its names, as far as anybody here reads them.

use serde_json::{Value, json};

use super::state::{
    Comment, Event, Issue, Review, ReviewComment, State, label_json, merged_objects,
};

impl State {
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.repository)
    }

    fn api(&self) -> String {
        format!("{}/api/repos/{}", self.base_url, self.full_name())
    }

    fn html(&self) -> String {
        format!("{}/{}", self.base_url, self.full_name())
    }

    pub(super) fn user_json(&self, login: &str) -> Value {
        let Some(person) = self.people.get(login) else {
            return Value::Null;
        };
        json!({
            "login": login,
            "id": person.id,
            "node_id": format!("U_{}", person.id),
            "url": format!("{}/api/users/{login}", self.base_url),
            "html_url": format!("{}/{login}", self.base_url),
            "type": person.kind,
            "site_admin": false,
        })
    }

    pub(super) fn repository_json(&self) -> Value {
        json!({
            "id": 501,
            "node_id": "R_501",
            "name": self.repository,
            "full_name": self.full_name(),
            "private": true,
            "fork": false,
            "owner": { "login": self.owner, "id": 500, "node_id": "O_500", "type": "Organization" },
            "url": self.api(),
            "html_url": self.html(),
            "clone_url": format!("{}.git", self.html()),
            "default_branch": "main",
        })
    }

    pub(super) fn issue_json(&self, issue: &Issue) -> Value {
        let kind = if issue.pull.is_some() {
            "pull"
        } else {
            "issues"
        };
        let labels: Vec<Value> = issue.labels.iter().map(|label| label_json(label)).collect();
        let url = format!("{}/issues/{}", self.api(), issue.number);
        let comments = self
            .comments
            .values()
            .filter(|comment| comment.issue == issue.number);
        let mut json = json!({
            "id": issue.id,
            "node_id": format!("I_{}", issue.id),
            "url": url,
            "repository_url": self.api(),
            "labels_url": format!("{url}/labels{{/name}}"),
            "comments_url": format!("{url}/comments"),
            "events_url": format!("{url}/events"),
            "html_url": format!("{}/{kind}/{}", self.html(), issue.number),
            "number": issue.number,
            "title": issue.title,
            "body": issue.body,
            "user": self.user_json(&issue.author),
            "labels": labels,
            "state": if issue.open { "open" } else { "closed" },
            "state_reason": if issue.open { Value::Null } else { json!("completed") },
            "locked": false,
            "assignee": null,
            "assignees": [],
            "milestone": null,
            "comments": comments.count(),
            "created_at": issue.created,
            "updated_at": issue.updated,
            "closed_at": (!issue.open).then_some(issue.updated),
            "closed_by": issue.closed_by.as_deref().map(|login| self.user_json(login)),
            "author_association": "NONE",
            "performed_via_github_app": null,
        });
        if let Some(pull) = &issue.pull {
            json["pull_request"] = json!({
                "url": format!("{}/pulls/{}", self.api(), issue.number),
                "html_url": format!("{}/pull/{}", self.html(), issue.number),
                "merged_at": pull.merged,
            });
        }
        json
    }

    pub(super) fn comment_json(&self, comment: &Comment) -> Value {
        json!({
            "id": comment.id,
            "node_id": format!("IC_{}", comment.id),
            "url": format!("{}/issues/comments/{}", self.api(), comment.id),
            "html_url": format!("{}/issues/{}#issuecomment-{}", self.html(), comment.issue, comment.id),
            "issue_url": format!("{}/issues/{}", self.api(), comment.issue),
            "user": self.user_json(&comment.author),
            "body": comment.body,
            "created_at": comment.created,
            "updated_at": comment.updated,
            "author_association": "NONE",
            "performed_via_github_app": null,
        })
    }

    pub(super) fn event_json(&self, event: &Event) -> Value {
        let mut actor = self.user_json(&event.actor);
        actor["id"] = event.actor_id.into();
        let mut json = json!({
            "id": event.id,
            "node_id": format!("E_{}", event.id),
            "url": format!("{}/issues/events/{}", self.api(), event.id),
            "actor": actor,
            "event": event.kind,
            "commit_id": null,
            "commit_url": null,
            "created_at": event.at,
            "performed_via_github_app": null,
        });
        if let Some(label) = &event.label {
            json["label"] = json!({ "name": label, "color": "ededed" });
        }
        if event.kind == "renamed" {
            json["rename"] = json!({ "from": "before", "to": "after" });
        }
        json
    }

    /// None where it is an issue.
    pub(super) fn pull_json(&self, issue: &Issue) -> Option<Value> {
        let pull = issue.pull.as_ref()?;
        let end = |branch: &str, sha: &str| {
            json!({
                "label": format!("{}:{branch}", self.owner),
                "ref": branch,
                "sha": sha,
                "user": { "login": self.owner, "id": 500, "type": "Organization" },
                "repo": self.repository_json(),
            })
        };
        let base_sha = self.branches.get(&pull.base).cloned().unwrap_or_default();
        let own = json!({
            "url": format!("{}/pulls/{}", self.api(), issue.number),
            "issue_url": format!("{}/issues/{}", self.api(), issue.number),
            "head": end(&pull.head, &pull.head_sha),
            "base": end(&pull.base, &base_sha),
            "draft": false,
            "merged": pull.merged.is_some(),
            "merged_at": pull.merged,
            "merge_commit_sha": pull.merge_sha,
            "mergeable": true,
            "mergeable_state": "clean",
        });
        let mut json = merged_objects(self.issue_json(issue), own);
        if let Value::Object(members) = &mut json {
            members.remove("pull_request");
        }
        Some(json)
    }

    pub(super) fn review_json(&self, review: &Review) -> Value {
        let pull = format!("{}/pull/{}", self.html(), review.pull);
        json!({
            "id": review.id,
            "node_id": format!("PRR_{}", review.id),
            "user": self.user_json(&review.author),
            "body": review.body,
            "state": review.state,
            "html_url": format!("{pull}#pullrequestreview-{}", review.id),
            "pull_request_url": format!("{}/pulls/{}", self.api(), review.pull),
            "_links": { "html": { "href": pull }, "pull_request": { "href": pull } },
            "submitted_at": review.at,
            "commit_id": self.issues.get(&review.pull)
                .and_then(|issue| issue.pull.as_ref())
                .map(|pull| pull.head_sha.clone()),
            "author_association": "NONE",
        })
    }

    pub(super) fn review_comment_json(&self, comment: &ReviewComment) -> Value {
        json!({
            "id": comment.id,
            "node_id": format!("PRRC_{}", comment.id),
            "url": format!("{}/pulls/comments/{}", self.api(), comment.id),
            "html_url": format!("{}/pull/{}#discussion_r{}", self.html(), comment.pull, comment.id),
            "pull_request_url": format!("{}/pulls/{}", self.api(), comment.pull),
            "pull_request_review_id": comment.review,
            "diff_hunk": "@@",
            "path": comment.path,
            "line": comment.line,
            "original_line": comment.line,
            "side": "RIGHT",
            "user": self.user_json(&comment.author),
            "body": comment.body,
            "created_at": comment.at,
            "updated_at": comment.at,
            "author_association": "NONE",
            "_links": {},
        })
    }
}
