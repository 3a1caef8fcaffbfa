//! Answers to the host that belong to one link and die with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cloud_code_proto::v1::from_agent::Message as Outgoing;
use tokio::sync::mpsc;

/// Answers that wait for the link at most.
const WAITING: usize = 16;

/// Where answers are put in. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    waiting: mpsc::Sender<(u64, Outgoing)>,
    link: Arc<AtomicU64>,
}

/// Where the link takes them out.
#[derive(Debug)]
pub(crate) struct AnswerReceiver {
    waiting: mpsc::Receiver<(u64, Outgoing)>,
    link: Arc<AtomicU64>,
}

/// The link that an answer belongs to has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkEnded;

/// Where answers are put in, and where they are taken out.
pub(crate) fn channel() -> (Answers, AnswerReceiver) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let link = Arc::new(AtomicU64::new(0));
    let answers = Answers {
        waiting: sender,
        link: Arc::clone(&link),
    };
    (
        answers,
        AnswerReceiver {
            waiting: receiver,
            link,
        },
    )
}

impl Answers {
    /// The number of the present link.
    pub(crate) fn link(&self) -> u64 {
        self.link.load(Ordering::Acquire)
    }

    /// Sends on the link with this number only.
    pub(crate) async fn send_on(&self, link: u64, message: Outgoing) -> Result<(), LinkEnded> {
        if self.link() != link {
            return Err(LinkEnded);
        }
        self.waiting
            .send((link, message))
            .await
            .map_err(|_| LinkEnded)
    }

    /// Sends on the present link. Where that ends first, the host asks again.
    pub(crate) async fn send(&self, message: Outgoing) {
        if self.send_on(self.link(), message).await.is_err() {
            tracing::debug!("an answer was dropped with its link");
        }
    }
}

impl AnswerReceiver {
    /// A new link begins: what waits belongs to the one before.
    pub(crate) fn next_link(&mut self) {
        self.link.fetch_add(1, Ordering::AcqRel);
    }

    /// The next answer for this link.
    pub(crate) async fn next(&mut self) -> Option<Outgoing> {
        loop {
            let (link, message) = self.waiting.recv().await?;
            if link == self.link.load(Ordering::Acquire) {
                return Some(message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloud_code_proto::v1;

    fn cleaned(task: &str) -> Outgoing {
        Outgoing::TaskCleaned(v1::TaskCleaned { task: task.into() })
    }

    #[tokio::test]
    async fn an_answer_to_an_old_link_is_not_sent_on_a_new_one() {
        let (answers, mut unsent) = channel();
        unsent.next_link();
        let link = answers.link();
        answers.send(cleaned("old")).await;
        unsent.next_link();
        assert_eq!(answers.send_on(link, cleaned("late")).await, Err(LinkEnded));
        answers.send(cleaned("new")).await;
        assert_eq!(unsent.next().await, Some(cleaned("new")));
    }
}
