//! The rows. Their order is the order of the hints and of the help.

use super::{Command, Entry, Scope, Tier};

const EVERYWHERE: &[Scope] = &[Scope::Everywhere];
const TASKS: &[Scope] = &[Scope::Tasks, Scope::Task, Scope::Fleet];
const LISTS: &[Scope] = &[Scope::Tasks, Scope::Task, Scope::Fleet, Scope::Approvals];

const fn view(
    command: Command,
    name: &'static str,
    keys: &'static [&'static str],
    scopes: &'static [Scope],
    label: &'static str,
    help: &'static str,
) -> Entry {
    Entry {
        command,
        name,
        keys,
        scopes,
        label,
        help,
        tier: Tier::View,
        subcommand: None,
    }
}

const fn act(
    command: Command,
    name: &'static str,
    key: &'static [&'static str],
    scopes: &'static [Scope],
    tier: Tier,
    help: &'static str,
    subcommand: &'static str,
) -> Entry {
    Entry {
        command,
        name,
        keys: key,
        scopes,
        label: name,
        help,
        tier,
        subcommand: Some(subcommand),
    }
}

/// The registry.
#[rustfmt::skip] // a table: one row, one line
pub(crate) static ENTRIES: &[Entry] = &[
    // What needs the operator.
    act(Command::Approve, "approve", &["a"], &[Scope::Approvals], Tier::Ask, "Grant the request, this once", "approve"),
    act(Command::ApproveForTask, "approve for the task", &["A"], &[Scope::Approvals], Tier::Ask, "Grant it and every later one of the task with the same kind and scope", "approve"),
    act(Command::Deny, "deny", &["D"], &[Scope::Approvals], Tier::Now, "Deny the request, with a note that reaches the agent", "deny"),
    act(Command::Accept, "accept", &["a"], &[Scope::Tasks, Scope::Task], Tier::Now, "Accept a task out of triage; show what it asks for", "task accept"),
    act(Command::Reject, "reject", &["D"], &[Scope::Tasks, Scope::Task], Tier::Ask, "Reject a task in triage", "task reject"),
    act(Command::Merge, "merge", &["M"], TASKS, Tier::Name, "Merge the pull request", "task merge"),
    act(Command::Pass, "pass", &["P"], TASKS, Tier::Ask, "Let a result pass that the gate refused, this once", "task pass"),
    act(Command::Retry, "retry", &["r"], TASKS, Tier::Now, "Try a failed or blocked task again", "task retry"),
    act(Command::Grant, "grant", &["b"], TASKS, Tier::Now, "Set what the task may cost; one that waits for it goes on", "grant"),
    view(Command::Open, "open", &["enter"], EVERYWHERE, "open", "Open what is selected"),
    act(Command::Steer, "steer", &["c"], TASKS, Tier::Now, "Tell the agent something", "task steer"),
    view(Command::ShowLog, "log", &["L"], LISTS, "log", "Show the log of what is selected"),
    view(Command::ShowDiff, "diff", &["d"], TASKS, "diff", "Show what the task has changed"),
    act(Command::Priority, "priority", &["p"], TASKS, Tier::Now, "Set the priority: then 0 to 4", "task priority"),
    act(Command::Undo, "undo", &["u"], EVERYWHERE, Tier::Now, "Take back a change of priority, for ten seconds", "task priority"),
    act(Command::Reassign, "reassign", &["m"], TASKS, Tier::Now, "Give the task to another agent or coding CLI", "task reassign"),
    act(Command::New, "new", &["n"], TASKS, Tier::Now, "Make a task", "task new"),
    act(Command::Cancel, "cancel", &["X"], TASKS, Tier::Ask, "End the task", "task cancel"),
    act(Command::Close, "close", &["C"], TASKS, Tier::Ask, "Close the pull request without a merge", "task close"),
    act(Command::Halt, "halt", &["H"], &[Scope::Fleet], Tier::Ask, "Stop what runs and give out no work", "halt"),
    act(Command::Resume, "resume", &["R"], &[Scope::Fleet], Tier::Ask, "Go on after a halt", "resume"),
    act(Command::ResumeAccount, "resume account", &[], &[], Tier::Now, "Say that a parked account can be used again", "resume"),
    view(Command::Earlier, "earlier events", &["e"], &[Scope::Task], "earlier", "Fetch what happened to the task before that"),
    // Logs.
    view(Command::Follow, "follow", &["f"], &[Scope::Logs], "follow", "Stay at the end, or hold the screen still"),
    view(Command::NextHit, "next hit", &["n"], &[Scope::Logs], "hit", "Go to the next line that was searched for"),
    view(Command::PreviousHit, "previous hit", &["N"], &[Scope::Logs], "hit before", "Go to the one before"),
    view(Command::LogFilter, "filter lines", &["&"], &[Scope::Logs], "only", "Show only the lines with these words; ! before a word inverts it"),
    view(Command::Wrap, "wrap", &["w"], &[Scope::Logs, Scope::Task], "wrap", "Break long lines, or cut them"),
    // Costs.
    view(Command::Dimension, "dimension", &["d"], &[Scope::Costs], "by", "Sum by day, project, agent, model or task"),
    view(Command::Range, "range", &["t"], &[Scope::Costs], "days", "Today, 7 or 30 days"),
    // Lists.
    view(Command::SortBy, "sort", &["s"], &[Scope::Tasks], "sort", "Order by attention, priority, time or cost"),
    view(Command::Finished, "finished tasks", &["F"], &[Scope::Tasks], "finished", "Show finished tasks, or hide them"),
    view(Command::CopyLink, "copy link", &["o"], TASKS, "copy link", "Copy the address of the pull request or issue"),
    view(Command::CopyId, "copy id", &["y"], LISTS, "copy id", "Copy the id of what is selected"),
    // Everywhere.
    view(Command::NextAttention, "next needing you", &["!"], EVERYWHERE, "next", "Go to the next thing that needs you"),
    view(Command::Filter, "filter", &["/"], EVERYWHERE, "filter", "Filter the list; in a log, search"),
    view(Command::Palette, "palette", &[":"], EVERYWHERE, "command", "Run anything by its name"),
    view(Command::Help, "help", &["?", "f1"], EVERYWHERE, "help", "Show the keys that count here"),
    view(Command::Fleet, "fleet", &["1", "g f"], EVERYWHERE, "fleet", "Go to the agents"),
    view(Command::Tasks, "tasks", &["2", "g t"], EVERYWHERE, "tasks", "Go to the tasks"),
    view(Command::Logs, "logs", &["3", "g l"], EVERYWHERE, "logs", "Go to the log"),
    view(Command::Costs, "costs", &["4", "g c"], EVERYWHERE, "costs", "Go to what was spent"),
    view(Command::Approvals, "approvals", &["5", "g a"], EVERYWHERE, "approvals", "Go to what waits for an answer"),
    view(Command::Activity, "activity", &["6", "g v"], EVERYWHERE, "activity", "Go to the events"),
    view(Command::Down, "down", &["j", "down"], EVERYWHERE, "down", "Move down"),
    view(Command::Up, "up", &["k", "up"], EVERYWHERE, "up", "Move up"),
    view(Command::Left, "left", &["h", "left"], EVERYWHERE, "left", "The tab before; in a log, to the left"),
    view(Command::Right, "right", &["l", "right"], EVERYWHERE, "right", "The next tab; in a log, to the right"),
    view(Command::PageDown, "page down", &["ctrl-d", "pagedown", "space"], EVERYWHERE, "page down", "Half a page down"),
    view(Command::PageUp, "page up", &["ctrl-u", "pageup"], EVERYWHERE, "page up", "Half a page up"),
    view(Command::Top, "top", &["g g", "home"], EVERYWHERE, "top", "Go to the first row"),
    view(Command::Bottom, "bottom", &["G", "end"], EVERYWHERE, "bottom", "Go to the last row"),
    view(Command::NextTab, "next tab", &["tab"], &[Scope::Task, Scope::Costs], "next tab", "The next tab"),
    view(Command::Back, "back", &["esc"], EVERYWHERE, "back", "Close, clear the filter, go back"),
    view(Command::Theme, "theme", &[], EVERYWHERE, "theme", "The other theme"),
    view(Command::Reconnect, "reconnect", &[], EVERYWHERE, "reconnect", "Try the link again now"),
    view(Command::Repaint, "repaint", &["ctrl-l"], EVERYWHERE, "repaint", "Draw the whole screen again"),
    view(Command::Suspend, "suspend", &["ctrl-z"], EVERYWHERE, "suspend", "Hand the terminal back to the shell"),
    view(Command::Quit, "quit", &["q", "ctrl-c"], EVERYWHERE, "quit", "Leave; the agents go on working"),
];
