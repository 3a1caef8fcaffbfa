//! What webhooks are told of a change.

use serde_json::{Value, json};

use super::state::{Outgoing, State, merged_objects};

impl State {
    pub(super) fn tell(&mut self, action: &str, number: u64, by: &str) {
        if self
            .issues
            .get(&number)
            .is_some_and(|issue| issue.pull.is_some())
        {
            self.tell_pull("pull_request", action, number, by, json!({}));
        } else {
            self.tell_issue(action, number, by, json!({}));
        }
    }

    pub(super) fn tell_issue(&mut self, action: &str, number: u64, by: &str, more: Value) {
        let Some(issue) = self.issues.get(&number) else {
            return;
        };
        if issue.pull.is_some() {
            return self.tell_pull("pull_request", action, number, by, more);
        }
        let payload = json!({ "action": action, "issue": self.issue_json(issue) });
        self.send("issues", by, merged_objects(payload, more));
    }

    pub(super) fn tell_pull(
        &mut self,
        event: &'static str,
        action: &str,
        number: u64,
        by: &str,
        more: Value,
    ) {
        let pull = self
            .issues
            .get(&number)
            .and_then(|issue| self.pull_json(issue));
        if let Some(pull) = pull {
            let payload = json!({ "action": action, "number": number, "pull_request": pull });
            self.send(event, by, merged_objects(payload, more));
        }
    }

    pub(super) fn tell_comment(&mut self, action: &str, id: u64, by: &str) {
        let Some(comment) = self.comments.get(&id) else {
            return;
        };
        let issue = self
            .issues
            .get(&comment.issue)
            .map(|issue| self.issue_json(issue));
        let payload = json!({
            "action": action,
            "issue": issue,
            "comment": self.comment_json(comment),
        });
        self.send("issue_comment", by, payload);
    }

    /// An event of the app, not of a repository.
    pub(super) fn tell_installation(&mut self, action: &str, id: u64) {
        let account = json!({ "login": self.owner, "id": 1, "type": "Organization" });
        let body = json!({
            "action": action,
            "installation": { "id": id, "account": account },
            "sender": account,
        });
        self.outgoing.push_back(Outgoing {
            event: "installation",
            body: body.to_string(),
        });
    }

    pub(super) fn send(&mut self, event: &'static str, by: &str, payload: Value) {
        let common = json!({
            "repository": self.repository_json(),
            "sender": self.user_json(by),
        });
        let body = merged_objects(payload, common).to_string();
        self.outgoing.push_back(Outgoing { event, body });
    }
}
