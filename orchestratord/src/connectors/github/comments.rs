//! Our comments: found by their mark, edited in place.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use cloud_code_domain::id::ProjectName;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::client::Client;
use super::marker::{MarkerKey, begins_with};
use crate::ports::Trouble;

/// How many of our comments are remembered by number, besides by mark.
const REMEMBERED: usize = 4_096;

/// Recognises comments of ours: by mark, and those made since the start also by number. Never by
/// author: the token's owner may be a person who comments too.
#[derive(Debug)]
pub(super) struct OwnComments {
    marker: Arc<MarkerKey>,
    made: Mutex<VecDeque<u64>>,
}

impl OwnComments {
    pub(super) fn new(marker: Arc<MarkerKey>) -> Self {
        Self {
            marker,
            made: Mutex::default(),
        }
    }

    pub(super) fn has(&self, project: &ProjectName, id: u64, text: &str) -> bool {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.contains(&id) || self.marker.verify(project, text).is_some()
    }

    fn remember(&self, id: u64) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.len() == REMEMBERED {
            made.pop_front();
        }
        made.push_back(id);
    }
}

#[derive(Debug, Deserialize)]
struct Made {
    id: u64,
}

/// What a comment is found by, and nothing that could be missing.
#[derive(Debug, Deserialize)]
struct Shown {
    id: u64,
    body: Option<String>,
}

/// The oldest comment that begins with the marker: ours was there before any copy of it.
pub(super) async fn find(
    client: &Client,
    issue: u64,
    marker: &str,
) -> Result<Option<u64>, Trouble> {
    let path = format!("issues/{issue}/comments");
    let comments: Vec<Shown> = match client.list(&path, &[]).await {
        Ok(comments) => comments,
        // Where there is no issue, nothing can be written.
        Err(failure) if failure.is_absent() => {
            let what = failure.trouble.to_string();
            return Err(Trouble::Refused { what });
        }
        Err(failure) => return Err(failure.into()),
    };
    Ok(comments
        .iter()
        .filter(|comment| begins_with(comment.body.as_deref().unwrap_or_default(), marker))
        .map(|comment| comment.id)
        .min())
}

pub(super) async fn create(
    client: &Client,
    own: &OwnComments,
    issue: u64,
    text: &str,
) -> Result<u64, Trouble> {
    let path = format!("issues/{issue}/comments");
    let made: Made = client
        .write(Method::POST, &path, &json!({ "body": text }))
        .await?;
    own.remember(made.id);
    Ok(made.id)
}

pub(super) async fn edit(client: &Client, comment: u64, text: &str) -> Result<(), Trouble> {
    let path = format!("issues/comments/{comment}");
    let body = json!({ "body": text });
    Ok(client.set(Method::PATCH, &path, &body).await?)
}
