use std::sync::Mutex;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use super::*;
use crate::fake_operator::Daemon;

/// How long a test waits for what has to come.
const DEADLINE: Duration = Duration::from_secs(20);

/// A terminal that is looked at.
#[derive(Clone)]
struct Shared(Arc<(Mutex<vt100::Parser>, Notify)>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.0.lock().expect("not poisoned").process(bytes);
        self.0.1.notify_one();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct NoShell;

impl Terminal for NoShell {
    fn suspend(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Operator {
    terminal: Shared,
    keys: mpsc::Sender<io::Result<TerminalEvent>>,
    app: JoinHandle<io::Result<Shared>>,
}

fn cells(count: u16) -> std::num::NonZero<u16> {
    count.try_into().expect("not nothing")
}

fn options() -> Options {
    Options {
        theme: ThemeName::Night,
        colors: ColorLevel::True,
        ascii: false,
        zone: TimeZone::UTC,
        term: "xterm-256color".to_owned(),
        in_tmux: false,
        drafts: None,
        welcome: None,
    }
}

impl Operator {
    fn sit_down(socket: PathBuf) -> Self {
        let parser = vt100::Parser::new(cells(24), cells(80), 0);
        let terminal = Shared(Arc::new((Mutex::new(parser), Notify::new())));
        let (keys, events) = mpsc::channel(64);
        let app = App::new(terminal.clone(), (80, 24), options());
        let app = tokio::spawn(async move {
            let stop = std::pin::pin!(std::future::pending());
            let events = ReceiverStream::new(events);
            app.run(Connection::Socket(socket), events, stop, &mut NoShell)
                .await
        });
        Self {
            terminal,
            keys,
            app,
        }
    }

    async fn press(&self, code: KeyCode) {
        let key = KeyEvent::new(code, KeyModifiers::NONE);
        self.keys
            .send(Ok(TerminalEvent::Key(key)))
            .await
            .expect("it listens");
    }

    /// Waits until the screen shows a text.
    async fn sees(&self, text: &str) {
        let seen = async {
            while !self.screen().contains(text) {
                self.terminal.0.1.notified().await;
            }
        };
        let seen = tokio::time::timeout(DEADLINE, seen).await;
        assert!(seen.is_ok(), "{text:?} never came:\n{}", self.screen());
    }

    fn screen(&self) -> String {
        self.terminal
            .0
            .0
            .lock()
            .expect("not poisoned")
            .screen()
            .contents()
    }

    async fn leaves(self) {
        self.press(KeyCode::Char('q')).await;
        let ended = tokio::time::timeout(DEADLINE, self.app).await;
        ended
            .expect("in time")
            .expect("no panic")
            .expect("the terminal is there");
    }
}

#[tokio::test]
async fn the_fleet_is_shown_and_an_action_reaches_the_daemon() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("o.sock");
    let daemon = Daemon::new(crate::synthetic::NOW);
    let server = daemon.serve(&socket);
    let operator = Operator::sit_down(socket);
    operator.sees("live").await;
    operator.press(KeyCode::Char('2')).await;
    operator.sees("Backfill orders.total").await;
    operator.press(KeyCode::Char('/')).await;
    for c in "Backfill".chars() {
        operator.press(KeyCode::Char(c)).await;
    }
    operator.press(KeyCode::Enter).await;
    operator.sees("a accept").await;
    operator.press(KeyCode::Char('a')).await;
    operator.sees("it waits for an agent").await;
    operator.sees("pending   Backfill").await;
    assert_eq!(daemon.acted.lock().expect("not poisoned").len(), 1);
    operator.leaves().await;
    server.abort();
}

#[tokio::test]
async fn it_comes_back_by_itself_when_the_daemon_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("o.sock");
    let operator = Operator::sit_down(socket.clone());
    operator.sees("no link to a daemon yet").await;
    let daemon = Daemon::new(crate::synthetic::NOW);
    let server = daemon.serve(&socket);
    operator.sees("live").await;
    operator.sees("backend-2").await;
    server.abort();
    let ended = server.await;
    assert!(ended.is_err_and(|error| error.is_cancelled()));
    // Connections that are open outlive the listener: the daemon hangs up on them.
    daemon.hang_up();
    operator.sees("retry").await;
    operator.sees("backend-2").await;
    std::fs::remove_file(&socket).expect("the socket is ours");
    let mut fleet = crate::synthetic::snapshot(crate::synthetic::NOW);
    fleet.host = "vps-2".to_owned();
    let server = Daemon::with(fleet, crate::synthetic::NOW).serve(&socket);
    operator.sees("vps-2").await;
    operator.sees("live").await;
    operator.leaves().await;
    server.abort();
}

#[tokio::test]
async fn at_rest_it_writes_nothing_and_sets_no_timer_shorter_than_what_is_seen_to_age() {
    let snapshot = crate::synthetic::snapshot(jiff::Timestamp::now().as_millisecond());
    let mut app = App::new(Vec::new(), (80, 24), options());
    let message = LinkEvent::Message(Box::new(
        cloud_code_proto::v1::watch_response::Message::Snapshot(snapshot),
    ));
    app.take(Event::Link(message), &mut NoShell).expect("taken");
    app.draw().expect("drawn");
    let written = app.screen.written();
    assert!(written > 1_000);
    let unseen = cloud_code_proto::v1::Change {
        seq: 18_300,
        ..Default::default()
    };
    let message = LinkEvent::Message(Box::new(
        cloud_code_proto::v1::watch_response::Message::Change(unseen),
    ));
    app.take(Event::Link(message), &mut NoShell).expect("taken");
    app.draw().expect("drawn");
    assert_eq!(
        app.screen.written(),
        written,
        "nothing that is seen changed"
    );
    assert!(!app.dirty);
    let wait = app.wait().expect("ages are on the screen");
    assert!(wait > Duration::from_secs(1), "{wait:?}");
}

#[tokio::test]
async fn what_is_being_typed_when_the_terminal_goes_away_is_found_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("drafts.json");
    let with_drafts = || Options {
        drafts: Some(path.clone()),
        ..options()
    };
    let key = |code| TerminalEvent::Key(KeyEvent::new(code, KeyModifiers::NONE));
    let typed = "n\tFaster".chars().map(|c| match c {
        '\t' => KeyCode::Tab,
        c => KeyCode::Char(c),
    });
    let events: Vec<_> = [KeyCode::Char('2')]
        .into_iter()
        .chain(typed)
        .map(key)
        .map(Ok)
        .collect();
    let app = App::new(Vec::new(), (80, 24), with_drafts());
    let socket = Connection::Socket(folder.path().join("o.sock"));
    let stop = std::pin::pin!(std::future::pending());
    let events = futures_util::stream::iter(events);
    app.run(socket, events, stop, &mut NoShell)
        .await
        .expect("it ends with its terminal");
    let app = App::new(Vec::new(), (80, 24), with_drafts());
    let draft = app
        .ui
        .drafts
        .get(&crate::ui::DraftKey::NewTask)
        .expect("a draft");
    assert!(draft.concat().contains("Faster"), "{draft:?}");
}
