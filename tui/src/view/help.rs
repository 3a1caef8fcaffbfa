//! The keys that count here, from the registry.

use ratatui::layout::Rect;

use super::pen::{Pen, Span, span};
use super::table::scrolled;
use crate::actions::{ENTRIES, Entry, Scope, Tier};
use crate::glyphs;
use crate::keymap::shown;
use crate::safe_text::SafeText;
use crate::selection;
use crate::state::{Mark, State};
use crate::theme::Role;
use crate::ui::Ui;

/// Draws the help.
pub(super) fn draw(pen: &mut Pen<'_>, state: &State, ui: &Ui, top: usize, area: Rect) {
    let scope = ui.screen.scope();
    let width = usize::from(area.width - 2);
    let (everywhere, here): (Vec<&Entry>, Vec<&Entry>) = ENTRIES
        .iter()
        .filter(|entry| entry.counts_in(scope))
        .partition(|entry| entry.scopes.contains(&Scope::Everywhere));
    let mut text = Vec::new();
    if !here.is_empty() {
        text.push(vec![span(ui.screen.title().to_uppercase(), Role::Title)]);
        text.extend(here.iter().flat_map(|entry| rows(entry, state, ui, width)));
        text.push(Vec::new());
    }
    text.push(vec![span("EVERYWHERE", Role::Title)]);
    text.extend(
        everywhere
            .iter()
            .flat_map(|entry| rows(entry, state, ui, width)),
    );
    text.push(Vec::new());
    text.push(vec![span("SIGNS", Role::Title)]);
    for marks in Mark::ALL.chunks(4) {
        let signs = marks.iter().flat_map(|mark| {
            [
                span(format!("  {} ", glyphs::glyph(*mark)), glyphs::role(*mark)),
                span(format!("{:<14}", mark.word()), Role::Text),
            ]
        });
        text.push(signs.collect());
    }
    text.push(Vec::new());
    let leave = "q leaves; the agents go on working, and you find all of it again";
    text.push(vec![span(leave, Role::Muted)]);
    let area = Rect {
        x: area.x + 1,
        width: area.width - 2,
        ..area
    };
    scrolled(pen, area, &text, top);
}

/// Cells for the keys, and for the name.
const KEYS: usize = 15;
const NAME: usize = 21;

fn rows(entry: &Entry, state: &State, ui: &Ui, width: usize) -> Vec<Vec<Span>> {
    let keys: Vec<String> = entry.keys.iter().map(|key| shown(key)).collect();
    let keys = if keys.is_empty() {
        ":".to_owned()
    } else {
        keys.join(" ")
    };
    let asks = match entry.tier {
        Tier::View | Tier::Now => "",
        Tier::Ask => "; asks first",
        Tier::Name => "; asks for its name",
    };
    let refused = selection::available(entry.command, state, ui).err();
    let role = if refused.is_some() {
        Role::Muted
    } else {
        Role::Text
    };
    let mut help = format!("{}{asks}", entry.help);
    if let Some(subcommand) = entry.subcommand.filter(|_| width >= 110) {
        help.push_str(&format!("  (cloud-code {subcommand})"));
    }
    let room = width.saturating_sub(KEYS + NAME).max(16);
    let mut help = SafeText::new(&help).wrap(room).into_iter();
    let mut rows = vec![vec![
        span(format!("{:<KEYS$}", format!("{keys} ")), Role::Key),
        span(format!("{:<NAME$}", entry.name), role),
        (help.next().unwrap_or_default(), role),
    ]];
    for more in help {
        rows.push(vec![span(" ".repeat(KEYS + NAME), role), (more, role)]);
    }
    rows
}
