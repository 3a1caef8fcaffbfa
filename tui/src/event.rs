//! What comes in from outside: the terminal, the link, answers to calls.

use cloud_code_proto::v1;

use crate::effect::{Ask, Find};
use crate::link::LinkEvent;

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A key, a paste, a new size.
    Terminal(crossterm::event::Event),
    /// Of the link.
    Link(LinkEvent),
    /// The answer to a call.
    Reply(Reply),
    /// The process has to end: a signal, or the terminal is gone.
    Stop,
    /// A deadline came: something on the screen is older than it says.
    Tick,
}

/// The answer to a call. Errors are sentences.
#[derive(Debug)]
pub(crate) enum Reply {
    /// To an action.
    Acted {
        /// What was asked.
        ask: Box<Ask>,
        /// What follows.
        answer: Result<v1::ActResponse, String>,
    },
    /// To a request for a task.
    Task {
        /// Its id.
        task: String,
        /// The task.
        answer: Box<Result<v1::TaskDetail, String>>,
    },
    /// To a request for an earlier page of a task's history.
    Earlier {
        /// Its id.
        task: String,
        /// The number below which the page begins.
        below: u64,
        /// The page.
        answer: Result<v1::TaskEventsResponse, String>,
    },
    /// To a request for costs.
    Costs {
        /// How many days.
        days: u32,
        /// The rows.
        answer: Result<Vec<v1::CostRow>, String>,
    },
    /// To a request for finished tasks.
    Finished(Result<Vec<v1::Task>, String>),
    /// Where a text is in a log; nowhere: none.
    Found {
        /// What was looked for.
        find: Find,
        /// The line, with those around it.
        answer: Result<Option<Found>, String>,
    },
    /// Lines of the open log.
    Lines {
        /// The number of the stream.
        stream: u64,
        /// The lines.
        response: v1::LogsResponse,
    },
    /// The log's stream ended.
    LogEnded {
        /// The number of the stream.
        stream: u64,
        /// Why.
        why: String,
    },
}

/// A line that was looked for.
#[derive(Debug)]
pub(crate) struct Found {
    /// The execution that it is of.
    pub execution: String,
    /// Its number there.
    pub number: u64,
    /// How many lines of the log have the text.
    pub total: u64,
    /// Lines around it.
    pub part: Vec<v1::LogsResponse>,
}
