//! The loop: take every event that waits, update, draw if something changed, one write.
//!
//! It has no tick. Where nothing happens it sleeps until the next thing on the screen grows older
//! by a step that can be seen.

mod calls;
mod drafts;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossterm::event::Event as TerminalEvent;
use futures_util::{Stream, StreamExt};
use jiff::tz::TimeZone;
use ratatui::layout::Rect;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::action::Action;
use crate::effect::Effect;
use crate::event::Event;
use crate::link::{Client, Connection, LinkEvent, watch};
use crate::screen::{Capabilities, Screen, copy};
use crate::state::State;
use crate::theme::{ColorLevel, Theme, ThemeName};
use crate::ui::{Mode, Now, Screen as OpenScreen, Tone, Ui};
use crate::update::update;
use crate::view::{DrawInfo, Look, draw};

/// Frames that nobody pressed a key for come no faster.
const PACE: Duration = Duration::from_millis(33);

/// Events that are taken before a frame is drawn at most.
const BATCH: usize = 4_096;

/// How the screen looks.
#[derive(Debug, Clone)]
pub struct Options {
    /// The theme at the start.
    pub theme: ThemeName,
    /// How many colours the terminal has.
    pub colors: ColorLevel,
    /// Only ASCII can be shown.
    pub ascii: bool,
    /// The operator's time zone.
    pub zone: TimeZone,
    /// The terminal's name.
    pub term: String,
    /// The terminal is tmux.
    pub in_tmux: bool,
    /// The file that drafts are kept in; none: only in memory.
    pub drafts: Option<PathBuf>,
    /// What the message line says at first.
    pub welcome: Option<String>,
}

impl Options {
    /// What the environment says.
    #[must_use]
    pub fn from_env() -> Self {
        let get = |name: &str| std::env::var(name).ok();
        let theme = get("CLOUD_CODE_THEME").and_then(|name| name.parse().ok());
        Self {
            theme: theme.unwrap_or_default(),
            colors: ColorLevel::from_env(get),
            ascii: crate::glyphs::ascii_only(get),
            zone: TimeZone::system(),
            term: get("TERM").unwrap_or_default(),
            in_tmux: get("TMUX").is_some(),
            drafts: drafts::place(get),
            welcome: None,
        }
    }
}

/// How the loop hands the terminal back for a while.
pub(crate) trait Terminal {
    /// Stops the process until it is told to go on.
    fn suspend(&mut self) -> io::Result<()>;
}

/// The control room.
#[derive(Debug)]
pub(crate) struct App<W> {
    state: State,
    ui: Ui,
    screen: Screen<W>,
    theme: Theme,
    options: Options,
    started: Instant,
    client: Option<Client>,
    calls: calls::Calls,
    retry: Arc<Notify>,
    last: DrawInfo,
    drawn_at: Option<Instant>,
    dirty: bool,
    quit: bool,
}

impl<W: Write> App<W> {
    pub(crate) fn new(out: W, size: (u16, u16), options: Options) -> Self {
        let capabilities = Capabilities::of(&options.term);
        let mut ui = Ui::new(size, options.theme);
        ui.drafts = options
            .drafts
            .as_deref()
            .map(drafts::load)
            .unwrap_or_default();
        if let Some(welcome) = &options.welcome {
            ui.say(Tone::Info, welcome);
        }
        Self {
            state: State::default(),
            ui,
            screen: Screen::new(out, size.0, size.1, capabilities),
            theme: Theme::built_in(options.theme, options.colors),
            options,
            started: Instant::now(),
            client: None,
            calls: calls::Calls::default(),
            retry: Arc::new(Notify::new()),
            last: DrawInfo::default(),
            drawn_at: None,
            dirty: true,
            quit: false,
        }
    }

    /// Runs until the operator leaves, a signal comes, or the terminal is gone.
    pub(crate) async fn run(
        mut self,
        connection: Connection,
        keys: impl Stream<Item = io::Result<TerminalEvent>> + Send + Unpin + 'static,
        mut stop: impl Future<Output = ()> + Unpin,
        terminal: &mut impl Terminal,
    ) -> io::Result<W> {
        let (key_sender, mut keys_in) = mpsc::channel(1_024);
        let (link_sender, mut link) = mpsc::channel(1_024);
        let mut tasks = JoinSet::new();
        tasks.spawn(forward(keys, key_sender));
        tasks.spawn(watch(connection, link_sender, Arc::clone(&self.retry)));
        while !self.quit {
            if self.dirty && self.due().is_zero() {
                self.draw()?;
            }
            let wait = self.wait();
            let event = tokio::select! {
                biased;
                () = &mut stop => Event::Stop,
                key = keys_in.recv() => pressed(key)?,
                Some(event) = link.recv() => Event::Link(event),
                Some(reply) = self.calls.next() => Event::Reply(reply),
                () = sleep(wait) => Event::Tick,
            };
            self.take(event, terminal)?;
            for _ in 0..BATCH {
                let event = if let Ok(key) = keys_in.try_recv() {
                    pressed(Some(key))?
                } else if let Ok(event) = link.try_recv() {
                    Event::Link(event)
                } else if let Some(reply) = self.calls.try_next() {
                    Event::Reply(reply)
                } else {
                    break;
                };
                self.take(event, terminal)?;
                if self.quit {
                    break;
                }
            }
        }
        if let Mode::Compose(composer) = std::mem::take(&mut self.ui.mode) {
            self.ui.drafts.keep(composer.key.clone(), composer.texts());
        }
        self.keep_drafts();
        tasks.shutdown().await;
        Ok(self.screen.into_out())
    }

    fn take(&mut self, event: Event, terminal: &mut impl Terminal) -> io::Result<()> {
        if let Event::Link(LinkEvent::Up(client)) = &event {
            self.client = Some(Client::clone(client));
        }
        let pressed = matches!(event, Event::Terminal(_));
        let action = Action::of(event, &self.ui);
        if let Action::Resize(columns, rows) = action {
            self.screen.resize(columns, rows);
        }
        let now = self.now();
        let effects = update(&mut self.state, &mut self.ui, action, now);
        self.keep_drafts();
        self.dirty = true;
        if pressed {
            self.drawn_at = None; // what the operator does is seen at once
        }
        for effect in effects {
            self.perform(effect, terminal)?;
        }
        Ok(())
    }

    fn keep_drafts(&mut self) {
        let Some(path) = self.options.drafts.as_deref() else {
            return;
        };
        if self.ui.drafts.changed()
            && let Err(error) = drafts::save(path, &self.ui.drafts)
        {
            let text = format!("what you typed is only kept until you leave: {error}");
            self.ui.say(Tone::Warn, text);
        }
    }

    fn perform(&mut self, effect: Effect, terminal: &mut impl Terminal) -> io::Result<()> {
        match effect {
            Effect::Quit => self.quit = true,
            Effect::Repaint => self.screen.repaint(),
            Effect::Reconnect => self.retry.notify_one(),
            Effect::Copy(text) => match copy(&text, self.options.in_tmux) {
                Some(sequence) => self.screen.send(&sequence)?,
                None => self.ui.say(Tone::Warn, "too long to be copied"),
            },
            Effect::Suspend => {
                terminal.suspend()?;
                self.screen.repaint();
            }
            call @ (Effect::Act(_)
            | Effect::LoadTask(_)
            | Effect::LoadEarlier { .. }
            | Effect::LoadCosts(_)
            | Effect::LoadFinished
            | Effect::FindInLog(_)
            | Effect::FollowLog { .. }) => self.calls.start(call, self.client.clone()),
        }
        Ok(())
    }

    fn draw(&mut self) -> io::Result<()> {
        if self.ui.theme != self.options.theme {
            self.options.theme = self.ui.theme;
            self.theme = Theme::built_in(self.options.theme, self.options.colors);
        }
        let look = Look {
            theme: &self.theme,
            ascii: self.options.ascii,
            zone: &self.options.zone,
            now: self.now(),
        };
        let area = Rect::new(0, 0, self.ui.size.0, self.ui.size.1);
        let info = draw(&self.state, &self.ui, &look, area, self.screen.next());
        absorb(&mut self.ui, &info);
        self.screen.flush(info.cursor, info.typing)?;
        self.last = info;
        self.drawn_at = Some(Instant::now());
        self.dirty = false;
        Ok(())
    }

    /// How long the next frame has to wait.
    fn due(&self) -> Duration {
        let since = self.drawn_at.map(|at| at.elapsed());
        since.map_or(Duration::ZERO, |since| PACE.saturating_sub(since))
    }

    /// How long to sleep; none: until something happens.
    fn wait(&self) -> Option<Duration> {
        if self.dirty {
            return Some(self.due());
        }
        let left = self.last.next_change?.saturating_sub(self.now().wall);
        Some(Duration::from_millis(
            left.max(0).unsigned_abs().saturating_add(1),
        ))
    }

    fn now(&self) -> Now {
        Now {
            wall: jiff::Timestamp::now().as_millisecond(),
            mono: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Reads the terminal in a task of its own: its stream forgets who waits for it when it is asked in
/// passing.
async fn forward(
    mut keys: impl Stream<Item = io::Result<TerminalEvent>> + Unpin,
    sender: mpsc::Sender<io::Result<TerminalEvent>>,
) {
    while let Some(key) = keys.next().await {
        if sender.send(key).await.is_err() {
            return;
        }
    }
}

/// What came from the terminal; its end is the end.
fn pressed(key: Option<io::Result<TerminalEvent>>) -> io::Result<Event> {
    key.map_or(Ok(Event::Stop), |key| key.map(Event::Terminal))
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// What was drawn says where lists really start and how many rows there are.
pub(crate) fn absorb(ui: &mut Ui, info: &DrawInfo) {
    ui.page = info.page;
    let Some(top) = info.top else { return };
    if let Mode::Help(first) = &mut ui.mode {
        *first = top;
        return;
    }
    if ui.screen == OpenScreen::Task {
        let tab = ui.task.tab as usize;
        if let Some(scroll) = ui.task.scroll.get_mut(tab) {
            *scroll = top;
        }
        if let Some(at_end) = info.at_end {
            ui.task.held = !at_end;
        }
    } else if let Some(cursor) = ui.cursor() {
        cursor.top = top;
    }
}

#[cfg(test)]
mod tests;
