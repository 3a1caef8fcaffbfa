//! Calls to the daemon, each in a task of its own. Answers come back as replies.

use std::time::Duration;

use cloud_code_proto::v1;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::effect::{Ask, Effect, Find};
use crate::event::{Found, Reply};
use crate::link::Client;
use crate::state::LogSource;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Finished tasks that are asked for.
const FINISHED: u32 = 500;

/// Events of a task that are asked for at once.
const EARLIER: u32 = 500;

/// Lines of a log that are asked for at once.
const TAIL: u32 = 20_000;

/// Lines that are shown before and behind one that the daemon found.
const AROUND: u32 = 1_000;

/// The calls that are under way.
#[derive(Debug)]
pub(super) struct Calls {
    tasks: JoinSet<()>,
    sender: mpsc::Sender<Reply>,
    replies: mpsc::Receiver<Reply>,
    log: Option<AbortHandle>,
}

impl Default for Calls {
    fn default() -> Self {
        let (sender, replies) = mpsc::channel(256);
        Self {
            tasks: JoinSet::new(),
            sender,
            replies,
            log: None,
        }
    }
}

impl Calls {
    /// The next answer.
    pub(super) async fn next(&mut self) -> Option<Reply> {
        self.replies.recv().await
    }

    /// The next answer, if there is one.
    pub(super) fn try_next(&mut self) -> Option<Reply> {
        while self.tasks.try_join_next().is_some() {}
        self.replies.try_recv().ok()
    }

    /// Starts a call.
    pub(super) fn start(&mut self, effect: Effect, client: Option<Client>) {
        let sender = self.sender.clone();
        let follows = matches!(effect, Effect::FollowLog { .. });
        let handle = self.tasks.spawn(async move {
            // Nobody to tell: the loop has ended.
            let _gone = perform(effect, client, &sender).await;
        });
        if follows && let Some(before) = self.log.replace(handle) {
            before.abort();
        }
    }
}

async fn perform(
    effect: Effect,
    client: Option<Client>,
    replies: &mpsc::Sender<Reply>,
) -> Result<(), mpsc::error::SendError<Reply>> {
    let reply = match effect {
        Effect::Act(ask) => {
            let answer = act(client, &ask).await;
            Reply::Acted { ask, answer }
        }
        Effect::LoadTask(task) => {
            let request = v1::GetTaskRequest { task: task.clone() };
            let answer = call(client, async |mut client| client.get_task(request).await).await;
            let answer = Box::new(answer);
            Reply::Task { task, answer }
        }
        Effect::LoadEarlier { task, below } => {
            let request = v1::TaskEventsRequest {
                task: task.clone(),
                before: below,
                limit: EARLIER,
            };
            let answer = call(client, async |mut client| client.task_events(request).await).await;
            Reply::Earlier {
                task,
                below,
                answer,
            }
        }
        Effect::LoadCosts(days) => {
            let request = v1::CostsRequest { days };
            let answer = call(client, async |mut client| client.costs(request).await).await;
            let answer = answer.map(|costs| costs.rows);
            Reply::Costs { days, answer }
        }
        Effect::LoadFinished => {
            let request = v1::ListTasksRequest {
                project: String::new(),
                states: vec!["completed".to_owned(), "cancelled".to_owned()],
                limit: FINISHED,
            };
            let answer = call(client, async |mut client| client.list_tasks(request).await).await;
            Reply::Finished(answer.map(|list| list.tasks))
        }
        Effect::FindInLog(find) => {
            let answer = found(client, &find).await;
            Reply::Found { find, answer }
        }
        Effect::FollowLog { stream, source } => {
            let why = follow(client, stream, source, replies).await?;
            Reply::LogEnded { stream, why }
        }
        Effect::Copy(_) | Effect::Repaint | Effect::Suspend | Effect::Reconnect | Effect::Quit => {
            return Ok(());
        }
    };
    replies.send(reply).await
}

async fn act(client: Option<Client>, ask: &Ask) -> Result<v1::ActResponse, String> {
    let action = v1::Action {
        action: Some(ask.action.clone()),
    };
    let request = v1::ActRequest {
        action: Some(action),
        expected_version: ask.expected_version,
    };
    call(client, async |mut client| client.act(request).await).await
}

async fn call<T>(
    client: Option<Client>,
    make: impl AsyncFnOnce(Client) -> Result<tonic::Response<T>, tonic::Status>,
) -> Result<T, String> {
    let client = client.ok_or_else(|| "not connected: nothing was sent".to_owned())?;
    match tokio::time::timeout(ANSWER, make(client)).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(sentence(&status)),
        Err(_) => {
            Err("no answer in 30 s: it may have been done, look before you repeat".to_owned())
        }
    }
}

/// What a refusal says to the operator.
pub(crate) fn sentence(status: &tonic::Status) -> String {
    use tonic::Code;
    let said = status.message();
    match status.code() {
        Code::Aborted => format!("it has changed since you looked: {said}"),
        Code::Unavailable | Code::Unknown | Code::Cancelled => {
            format!("it may not have been done, look before you repeat: {said}")
        }
        Code::Unimplemented => format!("this daemon cannot do that: upgrade it ({said})"),
        Code::Ok
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Internal
        | Code::DataLoss
        | Code::Unauthenticated => said.to_owned(),
    }
}

/// The next line that has the text, or the first from the other end.
async fn found(client: Option<Client>, find: &Find) -> Result<Option<Found>, String> {
    let mut wanted = v1::SearchLogsRequest {
        execution: find.attempt,
        text: find.text.clone(),
        from: find.from,
        backwards: find.backwards,
        limit: 1,
        ..v1::SearchLogsRequest::default()
    };
    match &find.source {
        LogSource::Task(task) => wanted.task.clone_from(task),
        LogSource::Agent(agent) => wanted.agent.clone_from(agent),
    }
    let search = async |request: v1::SearchLogsRequest| {
        let ask = async |mut client: Client| client.search_logs(request).await;
        call(client.clone(), ask).await
    };
    let mut answer = search(wanted.clone()).await?;
    if answer.hits.is_empty() && answer.total > 0 {
        wanted.from = if find.backwards { u64::MAX } else { 0 };
        answer = search(wanted.clone()).await?;
    }
    let Some(hit) = answer.hits.into_iter().next() else {
        return Ok(None);
    };
    let around = v1::LogsRequest {
        task: wanted.task,
        agent: wanted.agent,
        execution: wanted.execution,
        from: hit.number.saturating_sub(u64::from(AROUND)),
        limit: 2 * AROUND,
        ..v1::LogsRequest::default()
    };
    let mut lines = call(client, async |mut client| client.logs(around).await).await?;
    let mut part = Vec::new();
    while let Some(response) = lines.message().await.map_err(|status| sentence(&status))? {
        part.push(response);
    }
    Ok(Some(Found {
        execution: hit.execution,
        number: hit.number,
        total: answer.total,
        part,
    }))
}

async fn follow(
    client: Option<Client>,
    stream: u64,
    source: LogSource,
    replies: &mpsc::Sender<Reply>,
) -> Result<String, mpsc::error::SendError<Reply>> {
    let (task, agent) = match source {
        LogSource::Task(task) => (task, String::new()),
        LogSource::Agent(agent) => (String::new(), agent),
    };
    let request = v1::LogsRequest {
        task,
        agent,
        follow: true,
        tail: TAIL,
        ..v1::LogsRequest::default()
    };
    let opened = call(client, async |mut client| client.logs(request).await).await;
    let mut lines = match opened {
        Ok(lines) => lines,
        Err(why) => return Ok(why),
    };
    loop {
        match lines.message().await {
            Ok(Some(response)) => replies.send(Reply::Lines { stream, response }).await?,
            Ok(None) => return Ok("no more will come".to_owned()),
            Err(status) => return Ok(sentence(&status)),
        }
    }
}
