//! What the forge knows, and the rules by which it changes. Every change tells the webhooks.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde_json::{Value, json};

/// Somebody at the forge.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) id: u64,
    /// `User` or `Bot`.
    pub(super) kind: &'static str,
    /// The word of the API's `role_name`.
    pub(super) role: String,
}

/// An issue or pull request.
#[derive(Debug, Clone)]
pub(super) struct Issue {
    pub(super) id: u64,
    pub(super) number: u64,
    pub(super) title: String,
    pub(super) body: String,
    pub(super) author: String,
    pub(super) labels: Vec<String>,
    pub(super) open: bool,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) text_edited: Option<Timestamp>,
    pub(super) closed_by: Option<String>,
    pub(super) blocked_by: Vec<u64>,
    pub(super) pull: Option<Pull>,
}

/// What a pull request has besides.
#[derive(Debug, Clone)]
pub(super) struct Pull {
    pub(super) head: String,
    pub(super) head_sha: String,
    pub(super) base: String,
    pub(super) merged: Option<Timestamp>,
    pub(super) merge_sha: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Comment {
    pub(super) id: u64,
    pub(super) issue: u64,
    pub(super) author: String,
    pub(super) body: String,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
}

#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) id: u64,
    pub(super) issue: u64,
    pub(super) kind: &'static str,
    pub(super) actor: String,
    /// Whose login it was then.
    pub(super) actor_id: u64,
    pub(super) label: Option<String>,
    pub(super) at: Timestamp,
}

#[derive(Debug, Clone)]
pub(super) struct Review {
    pub(super) id: u64,
    pub(super) pull: u64,
    pub(super) author: String,
    pub(super) body: String,
    pub(super) state: String,
    pub(super) at: Timestamp,
}

#[derive(Debug, Clone)]
pub(super) struct ReviewComment {
    pub(super) id: u64,
    pub(super) review: u64,
    pub(super) pull: u64,
    pub(super) author: String,
    pub(super) path: String,
    pub(super) line: u64,
    pub(super) body: String,
    pub(super) at: Timestamp,
}

/// A delivery that waits to be sent.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) event: &'static str,
    pub(super) body: String,
}

/// Everything.
#[derive(Debug)]
pub(super) struct State {
    pub(super) base_url: String,
    pub(super) owner: String,
    pub(super) repository: String,
    clock: Timestamp,
    next_id: u64,
    next_number: u64,
    pub(super) people: BTreeMap<String, Person>,
    pub(super) issues: BTreeMap<u64, Issue>,
    pub(super) comments: BTreeMap<u64, Comment>,
    pub(super) events: Vec<Event>,
    pub(super) reviews: Vec<Review>,
    pub(super) review_comments: Vec<ReviewComment>,
    pub(super) branches: BTreeMap<String, String>,
    pub(super) outgoing: VecDeque<Outgoing>,
}

impl State {
    pub(super) fn new(base_url: &str, owner: &str, repository: &str) -> Self {
        Self {
            base_url: base_url.to_owned(),
            owner: owner.to_owned(),
            repository: repository.to_owned(),
            clock: Timestamp::UNIX_EPOCH,
            next_id: 9_000,
            next_number: 1,
            people: BTreeMap::new(),
            issues: BTreeMap::new(),
            comments: BTreeMap::new(),
            events: Vec::new(),
            reviews: Vec::new(),
            review_comments: Vec::new(),
            branches: BTreeMap::new(),
            outgoing: VecDeque::new(),
        }
    }

    /// The forge's time: the machine's, but never before what already happened here.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.max(whole_seconds(Timestamp::now()))
    }

    /// A new second: times have no finer grain, and one thing happens after another.
    pub(super) fn tick(&mut self) -> Timestamp {
        self.pass(1);
        self.clock
    }

    pub(super) fn pass(&mut self, seconds: i64) {
        let later = self.now().as_second().saturating_add(seconds);
        self.clock = Timestamp::from_second(later).unwrap_or(self.clock);
    }

    pub(super) fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Makes the person, or changes their role.
    pub(super) fn person(&mut self, login: &str, kind: &'static str, role: &str) -> u64 {
        let id = self.id();
        let person = self.people.entry(login.to_owned()).or_insert(Person {
            id,
            kind,
            role: String::new(),
        });
        role.clone_into(&mut person.role);
        person.id
    }

    fn known(&mut self, login: &str) {
        if !self.people.contains_key(login) {
            self.person(login, "User", "none");
        }
    }

    pub(super) fn create_issue(&mut self, by: &str, title: &str, body: &str) -> u64 {
        let number = self.insert(by, title, body, None);
        self.tell_issue("opened", number, by, json!({}));
        number
    }

    pub(super) fn create_pull(&mut self, by: &str, title: &str, body: &str, pull: Pull) -> u64 {
        let number = self.insert(by, title, body, Some(pull));
        self.tell_pull("pull_request", "opened", number, by, json!({}));
        number
    }

    fn insert(&mut self, by: &str, title: &str, body: &str, pull: Option<Pull>) -> u64 {
        self.known(by);
        let (id, now, number) = (self.id(), self.tick(), self.next_number);
        self.next_number += 1;
        let issue = Issue {
            id,
            number,
            title: title.to_owned(),
            body: body.to_owned(),
            author: by.to_owned(),
            labels: Vec::new(),
            open: true,
            created: now,
            updated: now,
            text_edited: None,
            closed_by: None,
            blocked_by: Vec::new(),
            pull,
        };
        self.issues.insert(number, issue);
        number
    }

    /// Changes an issue now; nothing where there is none.
    fn change(&mut self, number: u64, change: impl FnOnce(&mut Issue, Timestamp)) -> Timestamp {
        let now = self.tick();
        if let Some(issue) = self.issues.get_mut(&number) {
            issue.updated = now;
            change(issue, now);
        }
        now
    }

    fn record(&mut self, issue: u64, kind: &'static str, actor: &str, label: Option<&str>) {
        let event = Event {
            id: self.id(),
            issue,
            kind,
            actor: actor.to_owned(),
            actor_id: self.people.get(actor).map_or(0, |person| person.id),
            label: label.map(str::to_owned),
            at: self.now(),
        };
        self.events.push(event);
    }

    pub(super) fn label(&mut self, by: &str, number: u64, label: &str) {
        self.known(by);
        self.change(number, |issue, _| {
            issue
                .labels
                .retain(|known| !known.eq_ignore_ascii_case(label));
            issue.labels.push(label.to_owned());
        });
        self.record(number, "labeled", by, Some(label));
        self.tell_issue("labeled", number, by, json!({ "label": label_json(label) }));
    }

    pub(super) fn unlabel(&mut self, by: &str, number: u64, label: &str) {
        self.known(by);
        self.change(number, |issue, _| {
            issue
                .labels
                .retain(|known| !known.eq_ignore_ascii_case(label));
        });
        self.record(number, "unlabeled", by, Some(label));
        self.tell_issue(
            "unlabeled",
            number,
            by,
            json!({ "label": label_json(label) }),
        );
    }

    pub(super) fn edit(&mut self, by: &str, number: u64, title: Option<&str>, body: Option<&str>) {
        self.known(by);
        self.change(number, |issue, now| {
            if let Some(body) = body {
                body.clone_into(&mut issue.body);
                issue.text_edited = Some(now);
            }
            if let Some(title) = title {
                title.clone_into(&mut issue.title);
            }
        });
        if title.is_some() {
            self.record(number, "renamed", by, None);
        }
        self.tell("edited", number, by);
    }

    pub(super) fn set_open(&mut self, by: &str, number: u64, open: bool) {
        self.known(by);
        if self
            .issues
            .get(&number)
            .is_none_or(|issue| issue.open == open)
        {
            return;
        }
        self.change(number, |issue, _| {
            issue.open = open;
            issue.closed_by = (!open).then(|| by.to_owned());
        });
        let (event, action) = if open {
            ("reopened", "reopened")
        } else {
            ("closed", "closed")
        };
        self.record(number, event, by, None);
        self.tell(action, number, by);
    }

    pub(super) fn comment(&mut self, by: &str, number: u64, text: &str) -> u64 {
        self.known(by);
        let now = self.change(number, |_, _| {});
        let id = self.id();
        let comment = Comment {
            id,
            issue: number,
            author: by.to_owned(),
            body: text.to_owned(),
            created: now,
            updated: now,
        };
        self.comments.insert(id, comment);
        self.tell_comment("created", id, by);
        id
    }

    pub(super) fn edit_comment(&mut self, by: &str, id: u64, text: &str) {
        let now = self.tick();
        if let Some(comment) = self.comments.get_mut(&id) {
            text.clone_into(&mut comment.body);
            comment.updated = now;
        }
        self.tell_comment("edited", id, by);
    }

    pub(super) fn review(
        &mut self,
        by: &str,
        pull: u64,
        state: &str,
        body: &str,
        lines: &[(&str, u64, &str)],
    ) -> u64 {
        self.known(by);
        let at = self.change(pull, |_, _| {});
        let review = self.id();
        for (path, line, text) in lines {
            let comment = ReviewComment {
                id: self.id(),
                review,
                pull,
                author: by.to_owned(),
                path: (*path).to_owned(),
                line: *line,
                body: (*text).to_owned(),
                at,
            };
            self.review_comments.push(comment);
        }
        self.reviews.push(Review {
            id: review,
            pull,
            author: by.to_owned(),
            body: body.to_owned(),
            state: state.to_owned(),
            at,
        });
        let more = self
            .reviews
            .last()
            .map(|review| json!({ "review": self.review_json(review) }));
        self.tell_pull(
            "pull_request_review",
            "submitted",
            pull,
            by,
            more.unwrap_or_default(),
        );
        review
    }

    /// The branches are now these: pull requests follow their heads.
    pub(super) fn set_branches(&mut self, by: &str, branches: BTreeMap<String, String>) {
        let old = std::mem::replace(&mut self.branches, branches);
        let changed: Vec<(String, String)> = self
            .branches
            .iter()
            .filter(|(name, sha)| old.get(*name) != Some(sha))
            .map(|(name, sha)| (name.clone(), sha.clone()))
            .collect();
        for (name, sha) in changed {
            let before = old.get(&name).cloned().unwrap_or_else(|| "0".repeat(40));
            let push =
                json!({ "ref": format!("refs/heads/{name}"), "before": before, "after": sha });
            self.send("push", by, push);
            let pulls = self.issues.values_mut().filter(|issue| issue.open);
            let follows: Vec<u64> = pulls
                .filter_map(|issue| {
                    let pull = issue.pull.as_mut().filter(|pull| pull.head == name)?;
                    sha.clone_into(&mut pull.head_sha);
                    Some(issue.number)
                })
                .collect();
            for number in follows {
                self.change(number, |_, _| {});
                self.tell_pull("pull_request", "synchronize", number, by, json!({}));
            }
        }
    }

    pub(super) fn merged(&mut self, by: &str, number: u64, merge_sha: &str) {
        self.change(number, |issue, now| {
            issue.open = false;
            issue.closed_by = Some(by.to_owned());
            if let Some(pull) = &mut issue.pull {
                pull.merged = Some(now);
                pull.merge_sha = Some(merge_sha.to_owned());
            }
        });
        self.record(number, "merged", by, None);
        self.record(number, "closed", by, None);
        self.tell_pull("pull_request", "closed", number, by, json!({}));
        let body = self.issues.get(&number).map(|issue| issue.body.clone());
        for closed in closing_words(&body.unwrap_or_default()) {
            self.set_open(by, closed, false);
        }
    }
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

pub(super) fn label_json(name: &str) -> Value {
    json!({ "id": 1, "node_id": "L", "url": "", "name": name, "color": "ededed",
        "default": false, "description": null })
}

/// Both objects' members in one.
pub(super) fn merged_objects(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}

/// The numbers after `closes #`, `fixes #`, `resolves #` and their forms.
fn closing_words(body: &str) -> Vec<u64> {
    let words: Vec<&str> = body.split_whitespace().collect();
    let closing = |word: &str| {
        let word = word.trim_end_matches(':').to_ascii_lowercase();
        [
            "close", "closes", "closed", "fix", "fixes", "fixed", "resolve", "resolves", "resolved",
        ]
        .contains(&word.as_str())
    };
    words
        .windows(2)
        .filter(|pair| closing(pair[0]))
        .filter_map(|pair| {
            let digits = pair[1].strip_prefix('#')?.trim_end_matches(['.', ',', ';']);
            digits.parse().ok()
        })
        .collect()
}
