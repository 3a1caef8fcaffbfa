//! What surrounds every screen.

use cloud_code_proto::v1;
use ratatui::layout::Rect;

use super::pen::{Pen, Span, span};
use super::{SMALLEST, empty};
use crate::actions::{Command, ENTRIES, Tier};
use crate::glyphs;
use crate::keymap::shown;
use crate::safe_text::SafeText;
use crate::selection;
use crate::state::{Link, LogSource, State, tokens, usd};
use crate::theme::Role;
use crate::ui::{LineKind, Mode, Screen, Tone, Ui};

/// A screen that nothing fits on.
pub(super) fn too_small(pen: &mut Pen<'_>, area: Rect) {
    let text = format!(
        "too small ({}x{}, need {}x{})  q quit",
        area.width, area.height, SMALLEST.0, SMALLEST.1
    );
    pen.put(area.x, area.y, area.width, text, Role::Text);
}

/// Before the first snapshot.
pub(super) fn not_loaded(pen: &mut Pen<'_>, state: &State, area: Rect) {
    match &state.link {
        Link::Connecting | Link::Live => empty(pen, area, "connecting …", ""),
        Link::Retrying { why, .. } => {
            empty(
                pen,
                area,
                "no link to a daemon yet; it is tried again for ever",
                "",
            );
            let y = area.y + area.height / 3 + 1;
            let width = area.width.saturating_sub(4);
            let why = SafeText::new(why).wrap(usize::from(width));
            let mut y = y;
            for line in why.iter().take(6) {
                pen.put(area.x + 2, y, width, line, Role::ToastError);
                y += 1;
            }
            for help in [
                "is it running?      orchestratord --config FILE",
                "is it elsewhere?    cloud-code --host user@server",
                "what is wrong?      cloud-code doctor",
            ] {
                y += 1;
                if y < area.bottom() {
                    pen.put(area.x + 2, y, width, help, Role::Muted);
                }
            }
        }
    }
}

/// Where we are, how the fleet is, what it spends, how the link is.
pub(super) fn header(pen: &mut Pen<'_>, state: &State, ui: &Ui, area: Rect) {
    pen.tint(area, Role::Header);
    let link = link(pen, state);
    let right = right_of_header(state, area.width, link);
    let width: usize = right.iter().map(|(text, _)| text.width()).sum();
    let width = u16::try_from(width).unwrap_or(area.width).min(area.width);
    let room = area.width.saturating_sub(width + 2);
    let mut place = vec![span(" ", Role::Text)];
    if area.width >= super::WIDE {
        place.push(span("control room  ", Role::Muted));
    }
    let host = if state.host.is_empty() {
        "cloud-code"
    } else {
        &state.host
    };
    place.push(span(host, Role::Title));
    place.push(span(format!(" › {}", ui.screen.title()), Role::Text));
    if let Some(inside) = inside(state, ui) {
        place.push(span(format!(" › {inside}"), Role::Text));
    }
    let mut used = 0;
    for (text, role) in &place {
        used += pen.put(area.x + used, area.y, room - used, text, *role);
    }
    pen.spans(area.right() - width, area.y, width, &right);
}

fn inside(state: &State, ui: &Ui) -> Option<String> {
    match ui.screen {
        Screen::Task => {
            let task = state.tasks.get(&state.detail.task);
            task.map(|task| state.name(task))
        }
        Screen::Logs => match state.logs.source.as_ref()? {
            LogSource::Task(id) => state.tasks.get(id).map(|task| state.name(task)),
            LogSource::Agent(id) => Some(state.agent_name(id)),
        },
        Screen::Fleet | Screen::Tasks | Screen::Costs | Screen::Approvals | Screen::Activity => {
            None
        }
    }
}

fn right_of_header(state: &State, width: u16, link: Span) -> Vec<Span> {
    let mut spans = Vec::new();
    if let Some(halted) = state.halted() {
        spans.push(span(SafeText::new(&halted).fit(30), Role::Attention));
        spans.push(span("  ", Role::Text));
    }
    if state.loaded && state.totals.unconfined && width >= 100 {
        spans.push(span("unconfined", Role::ToastWarn));
        spans.push(span("  ", Role::Text));
    }
    if state.loaded {
        spans.extend(counts(state, width));
        spans.push(span(" ", Role::Text));
        let today = if width >= super::WIDE { "today " } else { "" };
        let (spent, role) = spent_today(&state.totals);
        spans.push(span(format!("{today}{spent}"), role));
        spans.push(span("  ", Role::Text));
    }
    spans.push(link);
    spans.push(span(" ", Role::Text));
    spans
}

fn counts(state: &State, width: u16) -> Vec<Span> {
    let mut spans = Vec::new();
    if width >= super::WIDE {
        spans.push(span("tasks ", Role::Muted));
    }
    for (mark, count) in state.tasks.marks() {
        let text = format!("{}{count}", glyphs::glyph(mark));
        spans.push(span(text, glyphs::role(mark)));
        spans.push(span(" ", Role::Text));
    }
    spans
}

fn link(pen: &mut Pen<'_>, state: &State) -> Span {
    match &state.link {
        Link::Connecting => span("connecting", Role::Starting),
        Link::Live => span("live", Role::Working),
        Link::Retrying { at, lost_at, .. } => {
            let now = pen.now();
            let left = at.saturating_sub(now.mono).div_ceil(1_000);
            pen.changes_at(now.wall + 1_000);
            let lost = now.mono.saturating_sub(*lost_at) / 60_000;
            let text = match (left, lost) {
                (0, _) => "retry now".to_owned(),
                (left, 0) => format!("retry {left}s"),
                (left, lost) => format!("stale {lost}m, retry {left}s"),
            };
            span(text, Role::ToastError)
        }
    }
}

/// The tabs.
pub(super) fn tabs(pen: &mut Pen<'_>, state: &State, ui: &Ui, area: Rect) {
    let open = if ui.screen == Screen::Task {
        Screen::Tasks
    } else {
        ui.screen
    };
    let mut x = area.x;
    for (number, screen) in (1..).zip(Screen::TABS) {
        let waiting = state.approvals.len();
        let mut text = format!("{number} {}", screen.title());
        if screen == Screen::Approvals && waiting > 0 {
            text.push_str(&format!(" !{waiting}"));
        }
        let (text, role) = if screen == open {
            (format!("[{text}]"), Role::TabActive)
        } else {
            (format!(" {text} "), Role::Tab)
        };
        x += pen.put(x, area.y, area.right().saturating_sub(x), text, role);
    }
}

/// One line: what is asked or typed, what was answered, or what the operator has to know.
pub(super) fn message(pen: &mut Pen<'_>, state: &State, ui: &Ui, area: Rect) {
    let x = area.x + 1;
    let width = area.width - 1;
    match &ui.mode {
        Mode::Confirm(confirm) => {
            let answer = match (&confirm.name, confirm.unread(pen.now())) {
                (Some(name), _) if confirm.missed && confirm.typed.is_empty() => {
                    format!("  that is not {name}, type {name}: ")
                }
                (Some(name), _) => format!("  type {name}: {}", confirm.typed),
                (None, None) => format!("  y = {}, else no", confirm.verb),
                // As long as no key answers it none is named.
                (None, Some(left)) => {
                    pen.changes_in(left);
                    "  …".to_owned()
                }
            };
            let (answer, role) = (SafeText::new(&answer), Role::Attention);
            let room = width.saturating_sub(u16::try_from(answer.width()).unwrap_or(0));
            let used = pen.put(x, area.y, room, &confirm.question, Role::Title);
            let end = x + used + pen.put(x + used, area.y, width - used, answer, role);
            typing(pen, confirm.name.is_some(), end, area.y);
        }
        Mode::Priority(_) => {
            pen.put(
                x,
                area.y,
                width,
                "priority: 0 (most urgent) to 4",
                Role::Title,
            );
        }
        Mode::Line(line) => {
            let label = match line.kind {
                LineKind::Filter => "filter: ",
                LineKind::Search => "search: ",
                LineKind::LogFilter => "only lines with: ",
                LineKind::CostLimit(_) => "it may cost $",
                LineKind::TokenLimit(_) => "it may use tokens: ",
            };
            let used = pen.put(x, area.y, width, label, Role::Key);
            let end = x + used + pen.put(x + used, area.y, width - used, &line.text, Role::Input);
            typing(pen, true, end, area.y);
        }
        Mode::Browse | Mode::Pick(_) | Mode::Compose(_) | Mode::Help(_) => {
            // What is soon over is seen whole.
            let undo = undo(pen, state, ui);
            let cells = undo.as_ref().map_or(0, |(text, _)| text.width());
            let room = width.saturating_sub(u16::try_from(cells).unwrap_or(width));
            let mut used = 0;
            if let Some((text, role)) = said(state, ui) {
                used = pen.put(x, area.y, room, text, role);
            }
            if let Some((text, role)) = undo {
                pen.put(x + used, area.y, width - used, text, role);
            }
        }
    }
}

/// What was spent today of what may be: money, or tokens where only subscriptions were used.
fn spent_today(totals: &v1::Totals) -> (String, Role) {
    let in_tokens = totals.cost_today_micro_usd == 0 && totals.tokens_today > 0;
    let (spent, limit) = if in_tokens {
        (totals.tokens_today, totals.daily_token_limit)
    } else {
        (totals.cost_today_micro_usd, totals.daily_limit_micro_usd)
    };
    let shown = if in_tokens { tokens } else { usd };
    let role = match limit {
        0 => Role::Text,
        limit if spent >= limit => Role::CostOver,
        limit if spent >= limit / 5 * 4 => Role::CostNear,
        _ => Role::Text,
    };
    let unit = if in_tokens { " tokens" } else { "" };
    let text = match limit {
        0 => format!("{}{unit}", shown(spent)),
        limit => format!("{}/{}{unit}", shown(spent), shown(limit)),
    };
    (text, role)
}

/// What `u` takes back, and how long it still does.
fn undo(pen: &mut Pen<'_>, state: &State, ui: &Ui) -> Option<Span> {
    let undo = ui.undo.as_ref()?;
    let left = undo.until.checked_sub(pen.now().mono);
    let left = left.filter(|left| *left > 0)?;
    pen.changes_in((left - 1) % 1_000 + 1);
    let name = state.name(state.tasks.get(&undo.task)?);
    let (before, after) = (undo.inverse.before, undo.inverse.after);
    let seconds = left.div_ceil(1_000);
    let text = format!("   u undoes: {name} P{before} → P{after} ({seconds}s)");
    Some(span(text, Role::ToastInfo))
}

fn typing(pen: &mut Pen<'_>, typing: bool, x: u16, y: u16) {
    if typing {
        pen.info.cursor = Some((x, y));
        pen.info.typing = true;
    }
}

fn said(state: &State, ui: &Ui) -> Option<Span> {
    if let Some(message) = &ui.message {
        let role = match message.tone {
            Tone::Info => Role::ToastInfo,
            Tone::Good => Role::ToastGood,
            Tone::Warn => Role::ToastWarn,
            Tone::Error => Role::ToastError,
        };
        return Some(span(&message.text, role));
    }
    if let Link::Retrying { why, .. } = &state.link
        && state.loaded
    {
        return Some(span(
            format!("what you see is old: {why}"),
            Role::ToastError,
        ));
    }
    if let Some(warning) = state.warning() {
        return Some(span(warning, Role::ToastWarn));
    }
    let waiting = selection::attention(state);
    let first = waiting.first().filter(|_| ui.screen != Screen::Approvals)?;
    let (who, what) = selection::waiting_for(state, first)?;
    let count = match waiting.len() {
        1 => "1 thing waits for you".to_owned(),
        count => format!("{count} things wait for you"),
    };
    let text = format!("{count} (! goes there): {who} {what}");
    Some(span(text, Role::Attention))
}

/// The keys that work now, the most useful first.
pub(super) fn hints(pen: &mut Pen<'_>, state: &State, ui: &Ui, area: Rect) {
    let hints = match &ui.mode {
        Mode::Browse if ui.pending.is_empty() => browse_hints(pen, state, ui),
        Mode::Browse => pairs(&[
            ("g", "top"),
            ("f", "fleet"),
            ("t", "tasks"),
            ("l", "logs"),
            ("c", "costs"),
            ("a", "approvals"),
            ("v", "activity"),
        ]),
        Mode::Confirm(confirm) if confirm.name.is_some() => {
            pairs(&[("Enter", confirm.verb), ("Esc", "no")])
        }
        Mode::Confirm(confirm) => pairs(&[("y", confirm.verb), ("Esc", "no")]),
        Mode::Priority(_) => pairs(&[("0-4", "set"), ("Esc", "no")]),
        Mode::Line(_) => pairs(&[("Enter", "keep"), ("Esc", "as before"), ("^u", "clear")]),
        Mode::Pick(_) => pairs(&[("Enter", "choose"), ("Down", "next"), ("Esc", "close")]),
        Mode::Compose(composer) => pairs(&[
            ("^d", composer.verb),
            ("Tab", "next field"),
            ("Esc", "close, keeps the draft"),
        ]),
        Mode::Help(_) => pairs(&[("j", "down"), ("k", "up"), ("Esc", "close")]),
    };
    let mut x = area.x + 1;
    for (key, label) in hints {
        let cells = key.width() + 1 + label.width() + 2;
        let cells = u16::try_from(cells).unwrap_or(area.width);
        if x + cells > area.right() + 2 {
            break;
        }
        x += pen.put(x, area.y, area.right() - x, key, Role::Key) + 1;
        x += pen.put(
            x,
            area.y,
            area.right().saturating_sub(x),
            label,
            Role::Muted,
        ) + 2;
    }
}

fn pairs(pairs: &[(&'static str, &'static str)]) -> Vec<(SafeText, SafeText)> {
    let safe = |text: &&'static str| SafeText::new(text);
    pairs
        .iter()
        .map(|(key, label)| (safe(key), safe(label)))
        .collect()
}

/// Keys that everybody tries anyway are not worth the room.
fn browse_hints(pen: &mut Pen<'_>, state: &State, ui: &Ui) -> Vec<(SafeText, SafeText)> {
    let known = [
        "down",
        "up",
        "left",
        "right",
        "page down",
        "page up",
        "top",
        "bottom",
        "back",
        "fleet",
        "tasks",
        "logs",
        "costs",
        "approvals",
        "activity",
        "repaint",
        "suspend",
        "tab",
    ];
    let scope = ui.screen.scope();
    let asked = selection::task(state, ui)
        .is_some_and(|task| state.approvals.of_task(&task.wire.id).next().is_some());
    let label = |entry: &crate::actions::Entry| {
        if asked && entry.command == Command::Accept {
            "answer"
        } else {
            entry.label
        }
    };
    let unread = ui.unread(pen.now());
    if let Some(left) = unread.filter(|_| ui.screen == Screen::Approvals) {
        pen.changes_in(left);
    }
    let works = ENTRIES.iter().filter(|entry| {
        if unread.is_some() && entry.command.answers() {
            return false;
        }
        let live = entry.tier == Tier::View || state.link.is_live();
        let here = entry.counts_in(scope) && !entry.keys.is_empty();
        let worth = !known.contains(&entry.name) && !known.contains(&entry.label);
        here && worth && live && selection::available(entry.command, state, ui).is_ok()
    });
    let hint = |entry: &crate::actions::Entry| {
        let key = entry.keys.first().copied().unwrap_or_default();
        (SafeText::from(shown(key)), SafeText::from(label(entry)))
    };
    // The palette, help and the way out are always seen, whatever else there is.
    let always = ["help", "palette", "quit"];
    let rest = works.filter(|entry| !always.contains(&entry.name));
    let room = usize::from(ui.size.0).saturating_sub(32);
    let mut used = 0;
    let fits = rest.map(hint).take_while(|(key, label)| {
        used += key.width() + label.width() + 3;
        used <= room
    });
    let mut hints: Vec<_> = fits.collect();
    if ui.screen == Screen::Approvals && selection::approval(state, ui).is_none() {
        hints.insert(0, (SafeText::new("j"), SafeText::new("select a request")));
    }
    let named = |name| ENTRIES.iter().find(|entry| entry.name == name);
    hints.extend(always.into_iter().filter_map(named).map(hint));
    hints
}
