//! The transitions of a task: fence first, then one function per state.

use crate::execution::FailureCause;
use crate::id::ExecutionId;
use crate::machine::{Denied, Outcome, Step};

use super::{BlockedReason, CancelledBy, TaskState};

/// Something that happened to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEvent {
    /// The operator accepted it out of triage.
    Accepted,
    /// The operator rejected it.
    Rejected,
    /// Placement gave it to an agent as this execution.
    Assigned(ExecutionId),
    /// The agent reported progress.
    ProgressReported(ExecutionId),
    /// The execution ended well; there is a result to publish.
    ExecutionSucceeded(ExecutionId),
    /// The execution ended, and a person is needed.
    BlockedReported(ExecutionId, BlockedReason),
    /// The execution was ended because the task's cost limit is reached.
    CostLimitReached(ExecutionId),
    /// The execution ended without a result.
    ExecutionFailed(ExecutionId, FailureCause, AfterFailure),
    /// Its result was pushed, and the pull request stands.
    PullRequestOpened(ExecutionId),
    /// The gate refused the result.
    PublishFailed(ExecutionId, BlockedReason),
    /// Somebody else pushed to its branch before the result could be: it is worked on again, on top.
    Overtaken(ExecutionId),
    /// A person answered what it was blocked on.
    Answered,
    /// The operator lets the refused result pass, this once.
    PassedOnce,
    /// Its pull request was merged.
    PullRequestMerged,
    /// Its pull request was closed without a merge.
    PullRequestClosed,
    /// A review or a comment asks for more work.
    ChangesRequested,
    /// Somebody wants it ended.
    CancelRequested(CancelledBy),
    /// The operator wants a failed task tried again.
    RetryRequested,
}

/// What the retry policy decided, before the event was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterFailure {
    /// Try again when its back-off is over.
    Retry,
    /// The attempts are used up.
    GiveUp,
    /// It cannot go on without a person.
    Block(BlockedReason),
}

impl TaskEvent {
    /// The execution that the event speaks for, where it is one that only the current may send.
    fn fence(&self) -> Option<&ExecutionId> {
        match self {
            Self::ProgressReported(execution)
            | Self::ExecutionSucceeded(execution)
            | Self::BlockedReported(execution, _)
            | Self::CostLimitReached(execution)
            | Self::ExecutionFailed(execution, _, _)
            | Self::PullRequestOpened(execution)
            | Self::PublishFailed(execution, _)
            | Self::Overtaken(execution) => Some(execution),
            Self::Accepted
            | Self::Rejected
            | Self::Assigned(_)
            | Self::Answered
            | Self::PassedOnce
            | Self::PullRequestMerged
            | Self::PullRequestClosed
            | Self::ChangesRequested
            | Self::CancelRequested(_)
            | Self::RetryRequested => None,
        }
    }
}

impl TaskState {
    /// The state after `event`, or why it cannot be.
    ///
    /// # Errors
    /// [`Denied::Stale`] for an execution that is not current, [`Denied::Finished`] for an event to
    /// a finished task, [`Denied::NotPossible`] for one without a meaning in this state.
    pub fn on(&self, event: &TaskEvent) -> Step<Self> {
        if let Some(execution) = event.fence()
            && self.current_execution() != Some(execution)
        {
            return if self.is_finished() {
                Err(Denied::Finished)
            } else {
                Err(Denied::Stale)
            };
        }
        if let Some(step) = self.on_ending(event) {
            return step;
        }
        match self {
            Self::Triage(_) => on_triage(event),
            Self::Pending => on_pending(event),
            Self::Assigned(execution) => on_working(execution, event, true),
            Self::InProgress(execution) => on_working(execution, event, false),
            Self::Publishing(execution) => on_publishing(execution, event),
            Self::Review => on_review(event),
            Self::Blocked(reason) => on_blocked(reason, event),
            Self::Failed(_) => on_failed(event),
            Self::Completed | Self::Cancelled(_) => Err(Denied::Finished),
        }
    }

    /// Merge, close and cancel mean the same in every state that is not finished.
    fn on_ending(&self, event: &TaskEvent) -> Option<Step<Self>> {
        let next = match event {
            TaskEvent::PullRequestMerged => Self::Completed,
            TaskEvent::PullRequestClosed => Self::Cancelled(CancelledBy::PullRequestClosed),
            TaskEvent::CancelRequested(by) => Self::Cancelled(by.clone()),
            TaskEvent::Accepted
            | TaskEvent::Rejected
            | TaskEvent::Assigned(_)
            | TaskEvent::ProgressReported(_)
            | TaskEvent::ExecutionSucceeded(_)
            | TaskEvent::BlockedReported(_, _)
            | TaskEvent::CostLimitReached(_)
            | TaskEvent::ExecutionFailed(_, _, _)
            | TaskEvent::PullRequestOpened(_)
            | TaskEvent::PublishFailed(_, _)
            | TaskEvent::Overtaken(_)
            | TaskEvent::Answered
            | TaskEvent::PassedOnce
            | TaskEvent::ChangesRequested
            | TaskEvent::RetryRequested => return None,
        };
        Some(if self.name() == next.name() {
            Ok(Outcome::Unchanged)
        } else if self.is_finished() {
            Err(Denied::Finished)
        } else {
            Ok(Outcome::Moved(next))
        })
    }
}

#[expect(clippy::unnecessary_wraps, reason = "reads as the other answers do")]
fn moved(next: TaskState) -> Step<TaskState> {
    Ok(Outcome::Moved(next))
}

fn on_triage(event: &TaskEvent) -> Step<TaskState> {
    match event {
        TaskEvent::Accepted => moved(TaskState::Pending),
        TaskEvent::Rejected => moved(TaskState::Cancelled(CancelledBy::Operator)),
        TaskEvent::Assigned(_)
        | TaskEvent::ProgressReported(_)
        | TaskEvent::ExecutionSucceeded(_)
        | TaskEvent::BlockedReported(_, _)
        | TaskEvent::CostLimitReached(_)
        | TaskEvent::ExecutionFailed(_, _, _)
        | TaskEvent::PullRequestOpened(_)
        | TaskEvent::PublishFailed(_, _)
        | TaskEvent::Overtaken(_)
        | TaskEvent::Answered
        | TaskEvent::PassedOnce
        | TaskEvent::PullRequestMerged
        | TaskEvent::PullRequestClosed
        | TaskEvent::ChangesRequested
        | TaskEvent::CancelRequested(_)
        | TaskEvent::RetryRequested => Err(Denied::NotPossible),
    }
}

fn on_pending(event: &TaskEvent) -> Step<TaskState> {
    match event {
        TaskEvent::Assigned(execution) => moved(TaskState::Assigned(execution.clone())),
        TaskEvent::Accepted
        | TaskEvent::Answered
        | TaskEvent::ChangesRequested
        | TaskEvent::RetryRequested => Ok(Outcome::Unchanged),
        TaskEvent::Rejected
        | TaskEvent::ProgressReported(_)
        | TaskEvent::ExecutionSucceeded(_)
        | TaskEvent::BlockedReported(_, _)
        | TaskEvent::CostLimitReached(_)
        | TaskEvent::ExecutionFailed(_, _, _)
        | TaskEvent::PullRequestOpened(_)
        | TaskEvent::PublishFailed(_, _)
        | TaskEvent::Overtaken(_)
        | TaskEvent::PassedOnce
        | TaskEvent::PullRequestMerged
        | TaskEvent::PullRequestClosed
        | TaskEvent::CancelRequested(_) => Err(Denied::NotPossible),
    }
}

fn on_working(execution: &ExecutionId, event: &TaskEvent, assigned: bool) -> Step<TaskState> {
    match event {
        TaskEvent::Assigned(other) if other == execution => Ok(Outcome::Unchanged),
        TaskEvent::ProgressReported(_) if assigned => {
            moved(TaskState::InProgress(execution.clone()))
        }
        TaskEvent::ProgressReported(_) => Ok(Outcome::Unchanged),
        TaskEvent::ExecutionSucceeded(_) => moved(TaskState::Publishing(execution.clone())),
        TaskEvent::BlockedReported(_, reason) => moved(TaskState::Blocked(reason.clone())),
        TaskEvent::CostLimitReached(_) => moved(TaskState::Blocked(BlockedReason::CostLimit)),
        TaskEvent::ExecutionFailed(_, cause, after) => moved(match after {
            AfterFailure::Retry => TaskState::Pending,
            AfterFailure::GiveUp => TaskState::Failed(cause.clone()),
            AfterFailure::Block(reason) => TaskState::Blocked(reason.clone()),
        }),
        // What people say while an agent works reaches the running turn or the next; the task stays
        // where it is.
        TaskEvent::ChangesRequested | TaskEvent::Answered => Ok(Outcome::Unchanged),
        TaskEvent::Assigned(_)
        | TaskEvent::Accepted
        | TaskEvent::Rejected
        | TaskEvent::PullRequestOpened(_)
        | TaskEvent::PublishFailed(_, _)
        | TaskEvent::Overtaken(_)
        | TaskEvent::PassedOnce
        | TaskEvent::PullRequestMerged
        | TaskEvent::PullRequestClosed
        | TaskEvent::CancelRequested(_)
        | TaskEvent::RetryRequested => Err(Denied::NotPossible),
    }
}

fn on_publishing(execution: &ExecutionId, event: &TaskEvent) -> Step<TaskState> {
    match event {
        TaskEvent::PullRequestOpened(_) => moved(TaskState::Review),
        TaskEvent::PublishFailed(_, reason) => moved(TaskState::Blocked(reason.clone())),
        TaskEvent::Overtaken(_) => moved(TaskState::Pending),
        // The result can no longer be had (its agent is gone for good): do the work again.
        TaskEvent::ExecutionFailed(_, cause, after) => moved(match after {
            AfterFailure::Retry => TaskState::Pending,
            AfterFailure::GiveUp => TaskState::Failed(cause.clone()),
            AfterFailure::Block(reason) => TaskState::Blocked(reason.clone()),
        }),
        TaskEvent::Assigned(other) if other == execution => Ok(Outcome::Unchanged),
        TaskEvent::ProgressReported(_)
        | TaskEvent::ExecutionSucceeded(_)
        | TaskEvent::ChangesRequested
        | TaskEvent::Answered => Ok(Outcome::Unchanged),
        TaskEvent::Assigned(_)
        | TaskEvent::Accepted
        | TaskEvent::Rejected
        | TaskEvent::BlockedReported(_, _)
        | TaskEvent::CostLimitReached(_)
        | TaskEvent::PassedOnce
        | TaskEvent::PullRequestMerged
        | TaskEvent::PullRequestClosed
        | TaskEvent::CancelRequested(_)
        | TaskEvent::RetryRequested => Err(Denied::NotPossible),
    }
}

fn on_review(event: &TaskEvent) -> Step<TaskState> {
    match event {
        TaskEvent::ChangesRequested => moved(TaskState::Pending),
        TaskEvent::Accepted
        | TaskEvent::Rejected
        | TaskEvent::Assigned(_)
        | TaskEvent::ProgressReported(_)
        | TaskEvent::ExecutionSucceeded(_)
        | TaskEvent::BlockedReported(_, _)
        | TaskEvent::CostLimitReached(_)
        | TaskEvent::ExecutionFailed(_, _, _)
        | TaskEvent::PullRequestOpened(_)
        | TaskEvent::PublishFailed(_, _)
        | TaskEvent::Overtaken(_)
        | TaskEvent::Answered
        | TaskEvent::PassedOnce
        | TaskEvent::PullRequestMerged
        | TaskEvent::PullRequestClosed
        | TaskEvent::CancelRequested(_)
        | TaskEvent::RetryRequested => Err(Denied::NotPossible),
    }
}

fn on_blocked(reason: &BlockedReason, event: &TaskEvent) -> Step<TaskState> {
    match event {
        TaskEvent::Answered | TaskEvent::ChangesRequested | TaskEvent::RetryRequested => {
            moved(TaskState::Pending)
        }
        TaskEvent::PassedOnce => match reason {
            BlockedReason::PublishRejected {
                execution,
                passable: true,
                ..
            } => moved(TaskState::Publishing(execution.clone())),
            BlockedReason::PublishRejected {
                passable: false, ..
            }
            | BlockedReason::NeedsCredential
            | BlockedReason::NeedsHuman(_)
            | BlockedReason::CostLimit
            | BlockedReason::Handoff(_)
            | BlockedReason::KeepsBeingInterrupted => Err(Denied::NotPossible),
        },
        TaskEvent::Accepted
        | TaskEvent::Rejected
        | TaskEvent::Assigned(_)
        | TaskEvent::ProgressReported(_)
        | TaskEvent::ExecutionSucceeded(_)
        | TaskEvent::BlockedReported(_, _)
        | TaskEvent::CostLimitReached(_)
        | TaskEvent::ExecutionFailed(_, _, _)
        | TaskEvent::PullRequestOpened(_)
        | TaskEvent::PublishFailed(_, _)
        | TaskEvent::Overtaken(_)
        | TaskEvent::PullRequestMerged
        | TaskEvent::PullRequestClosed
        | TaskEvent::CancelRequested(_) => Err(Denied::NotPossible),
    }
}

fn on_failed(event: &TaskEvent) -> Step<TaskState> {
    match event {
        TaskEvent::RetryRequested | TaskEvent::ChangesRequested => moved(TaskState::Pending),
        TaskEvent::Accepted
        | TaskEvent::Rejected
        | TaskEvent::Assigned(_)
        | TaskEvent::ProgressReported(_)
        | TaskEvent::ExecutionSucceeded(_)
        | TaskEvent::BlockedReported(_, _)
        | TaskEvent::CostLimitReached(_)
        | TaskEvent::ExecutionFailed(_, _, _)
        | TaskEvent::PullRequestOpened(_)
        | TaskEvent::PublishFailed(_, _)
        | TaskEvent::Overtaken(_)
        | TaskEvent::Answered
        | TaskEvent::PassedOnce
        | TaskEvent::PullRequestMerged
        | TaskEvent::PullRequestClosed
        | TaskEvent::CancelRequested(_) => Err(Denied::NotPossible),
    }
}

#[cfg(test)]
mod tests;
