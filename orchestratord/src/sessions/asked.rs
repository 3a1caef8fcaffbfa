//! The result that a link has asked its agent for: one at a time, and numbered, so that what is left
//! of the answer to an older ask never becomes part of a newer one.

use cloud_code_domain::time::Timestamp;
use cloud_code_proto::v1;

use super::{ResultAsk, ResultPart};

/// See the module.
#[derive(Debug)]
pub(super) struct Asked {
    /// The number of the newest ask.
    newest: u64,
    open: Option<ResultAsk>,
}

impl Asked {
    /// Numbers from `now` on: an agent may still be at what a link before asked for.
    pub(super) fn since(now: Timestamp) -> Self {
        Self {
            newest: u64::try_from(now.0).unwrap_or_default() << 8,
            open: None,
        }
    }

    /// Takes an ask, and says how it is put to the agent. An older one that is still open has lost
    /// its asker.
    pub(super) fn begin(&mut self, ask: ResultAsk) -> v1::RequestResult {
        self.newest = self.newest.saturating_add(1);
        let request = v1::RequestResult {
            execution: ask.execution.to_string(),
            head: ask.head.to_string(),
            base: ask.base.to_string(),
            ask: self.newest,
        };
        self.open = Some(ask);
        request
    }

    /// Hands on a piece of the answer.
    pub(super) async fn part(&mut self, chunk: v1::PackChunk) {
        let Some(ask) = self.answered(chunk.ask, &chunk.execution) else {
            return;
        };
        let data = ResultPart::Data(chunk.data.into());
        let listening = ask.answer.send(data).await.is_ok();
        if (chunk.last || !listening)
            && let Some(ask) = self.open.take()
        {
            // Whoever asked may have stopped waiting.
            let _gone = ask.answer.send(ResultPart::End).await;
        }
    }

    /// Hands on that there is no answer.
    pub(super) async fn failed(&mut self, failed: v1::ResultFailed) {
        if self.answered(failed.ask, &failed.execution).is_some()
            && let Some(ask) = self.open.take()
        {
            // Whoever asked may have stopped waiting.
            let _gone = ask.answer.send(ResultPart::Gone(failed.reason)).await;
        }
    }

    /// The open ask, where this answers it.
    fn answered(&self, number: u64, execution: &str) -> Option<&ResultAsk> {
        let open = self.open.as_ref().filter(|_| number == self.newest)?;
        (open.execution.to_string() == execution).then_some(open)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn ask() -> (ResultAsk, mpsc::Receiver<ResultPart>) {
        let (answer, parts) = mpsc::channel(4);
        let ask = ResultAsk {
            execution: "k3f9x2ab.1".parse().unwrap(),
            head: "0123456789".repeat(4).parse().unwrap(),
            base: "1234567890".repeat(4).parse().unwrap(),
            answer,
        };
        (ask, parts)
    }

    fn chunk(request: &v1::RequestResult, data: &[u8], last: bool) -> v1::PackChunk {
        v1::PackChunk {
            execution: request.execution.clone(),
            data: data.to_vec(),
            last,
            ask: request.ask,
        }
    }

    async fn all(mut parts: mpsc::Receiver<ResultPart>) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(part) = parts.recv().await {
            seen.push(match part {
                ResultPart::Data(data) => String::from_utf8(data.to_vec()).unwrap(),
                ResultPart::End => "end".into(),
                ResultPart::Gone(why) => why,
            });
        }
        seen
    }

    #[tokio::test]
    async fn an_answer_to_an_older_ask_is_no_part_of_the_newer_one() {
        let mut asked = Asked::since(Timestamp(1));
        let ((old, old_parts), (new, parts)) = (ask(), ask());
        let old = asked.begin(old);
        asked.part(chunk(&old, b"old", false)).await;
        let new = asked.begin(new);
        asked.part(chunk(&old, b"late", false)).await;
        asked.part(chunk(&new, b"new", false)).await;
        asked.part(chunk(&old, b"", true)).await;
        let failed = v1::ResultFailed {
            execution: old.execution,
            reason: "late".into(),
            ask: old.ask,
        };
        asked.failed(failed).await;
        asked.part(chunk(&new, b"er", true)).await;
        assert_eq!(all(parts).await, ["new", "er", "end"]);
        assert_eq!(all(old_parts).await, ["old"]);
    }

    #[tokio::test]
    async fn an_answer_names_the_execution_that_was_asked_for() {
        let mut asked = Asked::since(Timestamp(1));
        let (first, parts) = ask();
        let request = asked.begin(first);
        let other = v1::PackChunk {
            execution: "k3f9x2ab.2".into(),
            ..chunk(&request, b"other", true)
        };
        asked.part(other).await;
        let failed = v1::ResultFailed {
            execution: request.execution,
            reason: "its worktree is gone".into(),
            ask: request.ask,
        };
        asked.failed(failed).await;
        assert_eq!(all(parts).await, ["its worktree is gone"]);
    }
}
