//! What a program in a workstation finds when it tries everything: a shell script in agentd's place
//! that reports over the workstation's own socket.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, UnixListener};

use super::Outcome;

/// Each line of the report, and what it has to be.
const EXPECTED: [(&str, &str); 22] = [
    ("uid", "10001:10001"),
    ("capabilities", "0000000000000000"),
    ("bounding set", "0000000000000000"),
    ("no new privileges", "1"),
    ("seccomp", "2"),
    ("interfaces", "lo"),
    ("the host by TCP", "no"),
    ("a name", "no"),
    ("write to the root", "no"),
    ("write beside the socket", "no"),
    ("write over agentd", "no"),
    ("write to /workspace", "yes"),
    ("write to /tools", "yes"),
    ("write to /cache", "yes"),
    ("write to /tmp", "yes"),
    ("credentials", "tmpfs 700 10001"),
    ("run a program from credentials", "no"),
    ("a namespace of its own", "no"),
    ("a raw socket", "no"),
    ("the engine's socket", "no"),
    ("sockets", "/cc/agentd.sock"),
    ("a neighbour's files", "none"),
];

/// A workstation beside it: leaves files everywhere it may, calls, and stays.
pub(super) const NEIGHBOUR: &str = r#"
for d in /workspace /tools /cache /tmp; do touch $d/neighbours-file; done
perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Peer => "/cc/agentd.sock") or die "no socket: $!"'
exec sleep 600"#;

/// The program; `port` is one that the host listens on.
pub(super) fn script(port: u16) -> String {
    format!(
        r#"
can() {{ if "$@" >/dev/null 2>&1; then echo yes; else echo no; fi; }}
status() {{ sed -n "s/^$1:[[:space:]]*//p" /proc/self/status; }}
dial() {{ perl -MIO::Socket::INET -e 'for my $h (@ARGV) {{ exit 0 if IO::Socket::INET->new(PeerAddr=>$h,PeerPort=>{port},Timeout=>2) }} exit 1' "$@"; }}
report() {{
    echo "uid=$(id -u):$(id -g)"
    echo "capabilities=$(status CapEff)"
    echo "bounding set=$(status CapBnd)"
    echo "no new privileges=$(status NoNewPrivs)"
    echo "seccomp=$(status Seccomp)"
    echo "interfaces=$(sed -n 's/^ *\([a-z0-9]*\):.*/\1/p' /proc/net/dev | grep -v -e tunl -e sit -e ip6tnl -e gre -e erspan -e ip_vti -e ip6_vti | tr '\n' ' ' | sed 's/ $//')"
    echo "the host by TCP=$(can dial 172.17.0.1 127.0.0.1 10.0.0.1 169.254.169.254)"
    echo "a name=$(can getent hosts example.org)"
    echo "write to the root=$(can touch /x)"
    echo "write beside the socket=$(can touch /cc/x)"
    echo "write over agentd=$(can sh -c 'echo >>/usr/local/lib/cloud-code/agentd')"
    for d in /workspace /tools /cache /tmp; do echo "write to $d=$(can touch $d/x)"; done
    echo "credentials=$(stat -f -c %T /run/cloud-code) $(stat -c '%a %u' /run/cloud-code)"
    cp /bin/true /run/cloud-code/true
    echo "run a program from credentials=$(can /run/cloud-code/true)"
    echo "a namespace of its own=$(can unshare -U true)"
    echo "a raw socket=$(can perl -e 'use Socket; socket(my $s, 17, SOCK_RAW, 0) or exit 1')"
    echo "the engine's socket=$(can ls /var/run/docker.sock)"
    everywhere() {{ find / -path /proc -prune -o "$@" -print 2>/dev/null | grep . || echo none; }}
    echo "sockets=$(everywhere -type s)"
    echo "a neighbour's files=$(everywhere -name neighbours-file)"
}}
report 2>&1 | perl -MIO::Socket::UNIX -e '
    my $s = IO::Socket::UNIX->new(Peer => "/cc/agentd.sock") or die "no socket: $!";
    print $s $_ while <STDIN>;'
exec sleep 600"#
    )
}

/// The host's end of the workstation's socket.
#[derive(Debug)]
pub(super) struct Report(UnixListener);

impl Report {
    /// Listens as orchestratord does: anybody who sees the socket may connect.
    pub(super) fn listen(socket_dir: &Path) -> Result<Self, String> {
        use std::os::unix::fs::PermissionsExt;
        let path = socket_dir.join("agentd.sock");
        let listener = UnixListener::bind(&path).map_err(|error| error.to_string())?;
        let all = std::fs::Permissions::from_mode(0o666);
        std::fs::set_permissions(&path, all).map_err(|error| error.to_string())?;
        Ok(Self(listener))
    }

    /// Waits for a call and for the words that an HTTP/2 client begins with.
    pub(super) async fn is_http2(&self) -> Outcome {
        const PREFACE: &[u8] = b"PRI * HTTP/2.0";
        let reading = async {
            let (mut stream, _) = self.0.accept().await?;
            let mut start = [0; PREFACE.len()];
            stream.read_exact(&mut start).await?;
            Ok::<_, std::io::Error>(start)
        };
        let read = tokio::time::timeout(Duration::from_secs(60), reading).await;
        let start = read.map_err(|_| "nobody called".to_owned())?;
        let start = start.map_err(|error| error.to_string())?;
        super::ensure(start == PREFACE, || format!("called with {start:?}"))
    }

    /// Waits for a call, whatever it says.
    pub(super) async fn is_called(&self) -> Outcome {
        let called = tokio::time::timeout(Duration::from_secs(60), self.0.accept()).await;
        let called = called.map_err(|_| "nobody called".to_owned())?;
        called.map(drop).map_err(|error| error.to_string())
    }

    /// Waits for the report and holds it against what is expected.
    pub(super) async fn compare(&self) -> Outcome {
        let reading = async {
            let (mut stream, _) = self.0.accept().await?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await?;
            Ok::<_, std::io::Error>(text)
        };
        let read = tokio::time::timeout(Duration::from_secs(120), reading).await;
        let text = read.map_err(|_| "the workstation reported nothing".to_owned())?;
        let text = text.map_err(|error| error.to_string())?;
        let wrong: Vec<String> = EXPECTED
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .filter(|line| !text.lines().any(|found| found == line))
            .collect();
        super::ensure(wrong.is_empty(), || {
            format!("not found: {wrong:?} in\n{text}")
        })
    }
}

/// A port of the host that nobody in a workstation may reach.
#[derive(Debug)]
pub(super) struct HostListener {
    port: u16,
    reached: Arc<AtomicBool>,
    _accepting: tokio::task::JoinSet<()>,
}

impl HostListener {
    pub(super) async fn open() -> Result<Self, String> {
        let listener = TcpListener::bind("0.0.0.0:0")
            .await
            .map_err(|e| e.to_string())?;
        let port = listener.local_addr().map_err(|e| e.to_string())?.port();
        let reached = Arc::new(AtomicBool::new(false));
        let mark = Arc::clone(&reached);
        let mut accepting = tokio::task::JoinSet::new();
        accepting.spawn(async move {
            while listener.accept().await.is_ok() {
                mark.store(true, Ordering::Release);
            }
        });
        Ok(Self {
            port,
            reached,
            _accepting: accepting,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn was_reached(&self) -> bool {
        self.reached.load(Ordering::Acquire)
    }
}
