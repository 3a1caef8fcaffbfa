//! How a result's pack arrives: part after part, into a file that nobody looks at before it is whole.
//!
//! An agent that says every few seconds that it lives, and never sends, would hold an effect for ever.
//! So no part may take longer than [`Patience::idle`], and all of them no longer than their size
//! explains. An agent that let the time pass is asked again [`MOST_SILENCES`] times; then its result
//! is lost.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cloud_code_domain::id::ExecutionId;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::failpoint::failpoint;
use crate::ports::Trouble;
use crate::sessions::ResultPart;

/// An agent lets the time pass this often, and its result is lost.
const MOST_SILENCES: u32 = 5;
/// Bytes in a second that any agent on this host manages.
const SLOWEST: u64 = 256 << 10;

/// What a pack that arrives came to.
#[derive(Debug)]
pub(super) enum Arrival {
    /// It is in the file.
    Whole(std::fs::File),
    /// The agent does not have it.
    Gone(String),
    /// The agent did not send in time.
    Silent(String),
}

/// How long is waited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the next part.
    pub(super) idle: Duration,
    /// For the whole.
    pub(super) whole: Duration,
}

impl Patience {
    /// The patience for a pack of this many bytes at most.
    pub(super) fn with(most: u64) -> Self {
        let idle = Duration::from_secs(60);
        let whole = idle + Duration::from_secs(most / SLOWEST);
        Self { idle, whole }
    }
}

/// Receives a pack of `most` bytes into a file without a name below `incoming`.
pub(super) async fn receive(
    mut parts: mpsc::Receiver<ResultPart>,
    incoming: &Path,
    most: u64,
    patience: Patience,
) -> Result<Arrival, Trouble> {
    crate::app::make_private(incoming).map_err(not_stored)?;
    let file = tempfile::tempfile_in(incoming).map_err(not_stored)?;
    let mut file = File::from_std(file);
    let mut size: u64 = 0;
    let end = Instant::now() + patience.whole;
    loop {
        let deadline = end.min(Instant::now() + patience.idle);
        match timeout_at(deadline, parts.recv()).await {
            Ok(Some(ResultPart::Data(data))) => {
                size = size.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
                file.write_all(&data).await.map_err(not_stored)?;
                // Enough for the gate to say that it is too large; the rest need not come.
                if size > most {
                    return whole(file).await;
                }
            }
            Ok(Some(ResultPart::End)) => {
                failpoint!("git::out_stream");
                return whole(file).await;
            }
            Ok(Some(ResultPart::Gone(why))) => return Ok(Arrival::Gone(why)),
            Ok(None) => return Err(later("the agent's link broke".into())),
            Err(_) => {
                let waited = patience.idle.as_secs();
                let what = format!(
                    "the agent does not send its result: {size} bytes came, then nothing for \
                     {waited} seconds, or too little"
                );
                return Ok(Arrival::Silent(what));
            }
        }
    }
}

async fn whole(mut file: File) -> Result<Arrival, Trouble> {
    file.flush().await.map_err(not_stored)?;
    Ok(Arrival::Whole(file.into_std().await))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err wants"
)]
fn not_stored(error: std::io::Error) -> Trouble {
    later(format!("the result cannot be stored: {error}"))
}

fn later(what: String) -> Trouble {
    Trouble::Later { what, until: None }
}

/// How often the agents of executions let the time pass. A restart forgets it, and asks anew.
#[derive(Debug, Default)]
pub struct Silences(Mutex<HashMap<ExecutionId, u32>>);

impl Silences {
    /// What follows: the pack, or why it never comes, or later.
    pub(super) fn judge(
        &self,
        id: &ExecutionId,
        arrival: Arrival,
    ) -> Result<Result<std::fs::File, String>, Trouble> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let what = match arrival {
            Arrival::Whole(file) => {
                counts.remove(id);
                return Ok(Ok(file));
            }
            Arrival::Gone(why) => {
                counts.remove(id);
                return Ok(Err(why));
            }
            Arrival::Silent(what) => what,
        };
        let count = counts.entry(id.clone()).or_default();
        *count = count.saturating_add(1);
        if *count < MOST_SILENCES {
            return Err(later(what));
        }
        counts.remove(id);
        Ok(Err(format!("{what}; it was asked {MOST_SILENCES} times")))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _};

    use super::*;

    const MOST: u64 = 6;

    fn data(bytes: &'static [u8]) -> ResultPart {
        ResultPart::Data(bytes.into())
    }

    /// What comes of these parts where the agent sends no other, and leaves the link open.
    async fn arrival(sent: Vec<ResultPart>, idle: Duration, whole: Duration) -> Arrival {
        let (send, parts) = mpsc::channel(16);
        for part in sent {
            send.send(part).await.unwrap();
        }
        let room = tempfile::tempdir().unwrap();
        let incoming = room.path().join("incoming");
        let patience = Patience { idle, whole };
        receive(parts, &incoming, MOST, patience).await.unwrap()
    }

    fn text(arrival: Arrival) -> String {
        let Arrival::Whole(mut file) = arrival else {
            return format!("{arrival:?}");
        };
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    }

    const LONG: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn a_pack_is_whole_when_its_end_came() {
        let parts = vec![data(b"ab"), data(b"cd"), ResultPart::End];
        assert_eq!(text(arrival(parts, LONG, LONG).await), "abcd");
    }

    #[tokio::test]
    async fn more_than_is_allowed_is_not_waited_for() {
        let parts = vec![data(b"abcd"), data(b"efgh")];
        assert_eq!(text(arrival(parts, LONG, LONG).await), "abcdefgh");
    }

    #[tokio::test]
    async fn an_agent_that_never_sends_is_not_waited_for() {
        for (idle, whole) in [(SHORT, LONG), (LONG, SHORT)] {
            let silent = arrival(vec![data(b"ab")], idle, whole).await;
            assert!(matches!(silent, Arrival::Silent(_)), "{silent:?}");
        }
    }

    #[tokio::test]
    async fn a_link_that_breaks_is_no_silence() {
        let (send, parts) = mpsc::channel(1);
        drop(send);
        let room = tempfile::tempdir().unwrap();
        let patience = Patience::with(MOST);
        let broken = receive(parts, &room.path().join("in"), MOST, patience).await;
        assert!(matches!(broken, Err(Trouble::Later { .. })), "{broken:?}");
    }

    #[test]
    fn a_result_that_never_comes_is_asked_for_again_and_then_lost() {
        let silences = Silences::default();
        let (id, other) = ("k3f9x2ab.1".parse().unwrap(), "k3f9x2ab.2".parse().unwrap());
        let silent = || Arrival::Silent("nothing came".into());
        for _ in 1..MOST_SILENCES {
            assert!(silences.judge(&id, silent()).is_err());
        }
        assert!(silences.judge(&other, silent()).is_err());
        let lost = silences.judge(&id, silent());
        assert!(matches!(&lost, Ok(Err(why)) if why.contains("nothing came")));
        assert!(
            silences.judge(&id, silent()).is_err(),
            "the count is begun anew"
        );
    }
}
