use std::os::unix::fs::PermissionsExt;

use cloud_code_domain::agent::AgentType;

use super::*;

/// A stand-in for agentd: locks and marks its workspace as agentd does, then does what the test
/// wants.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new(behaviour: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let agentd = dir.path().join("agentd");
        let script = format!(
            "#!/bin/sh\nmkdir -p \"$4/.agentd\"\nexec 9>>\"$4/.agentd/lock\"\nflock -n 9 || {{ echo locked >&2; exit 75; }}\necho $$ >\"$4/.agentd/pid\"\n{behaviour}\n"
        );
        fs::write(&agentd, script).unwrap();
        fs::set_permissions(&agentd, fs::Permissions::from_mode(0o755)).unwrap();
        Self { dir }
    }

    fn runtime(&self) -> ProcessRuntime {
        ProcessRuntime::new(self.dir.path()).with_stop_deadline(Duration::from_millis(300))
    }

    fn spec(&self) -> WorkstationSpec {
        WorkstationSpec {
            agent: agent(),
            project: "sample".parse().unwrap(),
            agent_type: AgentType::Backend,
            image: String::new(),
            memory: 0,
            cpu_millis: 0,
            agentd: self.dir.path().join("agentd"),
            socket_dir: self.dir.path().join("sockets"),
            ca_bundle: None,
            isolated: false,
        }
    }

    fn workspace(&self) -> PathBuf {
        self.runtime().workspace(&agent())
    }

    fn pid(&self) -> Option<i32> {
        let text = fs::read_to_string(self.workspace().join(".agentd/pid")).ok()?;
        text.ends_with('\n').then(|| text.trim().parse().ok())?
    }
}

fn agent() -> AgentId {
    "sample.backend-1".parse().unwrap()
}

/// Waits for a level, up to a deadline.
async fn wait_for(what: &str, mut level: impl FnMut() -> bool) {
    let waiting = async {
        while !level() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert!(waited.is_ok(), "{what} did not happen");
}

async fn observed(runtime: &ProcessRuntime, spec: &WorkstationSpec) -> Vec<Observed> {
    runtime.observe(std::slice::from_ref(spec)).await.unwrap()
}

const SLEEPS: &str = "sleep 600 & wait";

#[tokio::test]
async fn a_workstation_is_started_once_and_found_again_by_the_next_of_us() {
    let bench = Bench::new(SLEEPS);
    let spec = bench.spec();
    let first = bench.runtime();
    assert_eq!(observed(&first, &spec).await, []);
    first.start(&spec).await.unwrap();
    wait_for("a pid file", || bench.pid().is_some()).await;
    let pid = bench.pid();

    let second = bench.runtime();
    let seen = observed(&second, &spec).await;
    assert_eq!(seen[0].state, ObservedState::Running);
    assert!(!seen[0].outdated);
    second.start(&spec).await.unwrap();
    assert_eq!(bench.pid(), pid, "adopted, not started again");

    // The one that is not its parent can end it too; the parent asks how it ended.
    let (removed, _) = tokio::join!(second.remove(&spec.agent), async {
        wait_for("the end", || first.ended_child(&agent()).is_some()).await;
    });
    removed.unwrap();
    assert_eq!(observed(&second, &spec).await, []);
    assert!(bench.workspace().is_dir(), "the volume stays");
    second.purge(&spec.agent).await.unwrap();
    assert!(!bench.workspace().exists());
    second.purge(&spec.agent).await.unwrap();
}

#[tokio::test]
async fn agentd_leads_a_session_of_its_own_and_inherits_nothing() {
    let bench = Bench::new(
        "env >\"$4/env\"; cut -d' ' -f6 </proc/$$/stat >\"$4/session\"; sleep 600 & wait",
    );
    let spec = bench.spec();
    let runtime = bench.runtime();
    runtime.start(&spec).await.unwrap();
    let session = bench.workspace().join("session");
    wait_for("a session", || {
        fs::read_to_string(&session).is_ok_and(|s| s.ends_with('\n'))
    })
    .await;
    let session = fs::read_to_string(&session).unwrap();
    assert_eq!(session.trim().parse().ok(), bench.pid());
    let env = fs::read_to_string(bench.workspace().join("env")).unwrap();
    let names: Vec<&str> = env
        .lines()
        .filter_map(|line| line.split('=').next())
        .collect();
    for name in names {
        assert!(
            ["PATH", "HOME", "LANG", "PWD", "OLDPWD", "SHLVL", "_"].contains(&name),
            "{name}"
        );
    }
    runtime.purge(&spec.agent).await.unwrap();
}

#[tokio::test]
async fn an_isolated_workstation_has_neither_tools_nor_cache_and_goes_whole() {
    // Package caches are read-only on purpose.
    let bench = Bench::new(
        "mkdir -p \"$4/locked/deep\"; touch \"$4/locked/deep/x\"; ln -s / \"$4/root\"
chmod 500 \"$4/locked/deep\" \"$4/locked\"; echo \"$@\" >\"$4/arguments\"; sleep 600 & wait",
    );
    let mut spec = bench.spec();
    spec.isolated = true;
    let runtime = bench.runtime();
    runtime.start(&spec).await.unwrap();
    let said = bench.workspace().join("arguments");
    let read = || fs::read_to_string(&said).unwrap_or_default();
    wait_for("arguments", || read().ends_with('\n')).await;
    assert!(
        !read().contains("--tools") && !read().contains("--cache"),
        "{}",
        read()
    );
    let home = bench.workspace().parent().unwrap().to_owned();
    assert!(!home.join("tools").exists() && !home.join("cache").exists());
    runtime.purge(&spec.agent).await.unwrap();
    assert!(!home.exists());
}

#[tokio::test]
async fn one_that_does_not_end_is_killed_with_all_that_it_started() {
    // A child that ignores the signal, in a session of its own.
    let bench = Bench::new(
        "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ >\"$0/child\"; while :; do sleep 600; done' \"$4\" & while :; do wait; done",
    );
    let spec = bench.spec();
    let runtime = bench.runtime();
    runtime.start(&spec).await.unwrap();
    let child = bench.workspace().join("child");
    wait_for("a child", || {
        fs::read_to_string(&child).is_ok_and(|s| s.ends_with('\n'))
    })
    .await;
    let child: i32 = fs::read_to_string(&child).unwrap().trim().parse().unwrap();
    let lives = |pid: i32| {
        fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    };
    assert!(lives(child));
    runtime.remove(&spec.agent).await.unwrap();
    wait_for("the child's end", || !lives(child)).await;
    assert!(!lives(bench.pid().unwrap()));
    runtime.purge(&spec.agent).await.unwrap();
}

#[tokio::test]
async fn one_that_ended_is_stopped_with_its_last_words() {
    let bench = Bench::new("printf 'no socket\\033[2J there\\n' >&2; exit 3");
    let spec = bench.spec();
    let runtime = bench.runtime();
    runtime.start(&spec).await.unwrap();
    let stopped = || matches!(runtime.status(&agent()), Status::Stopped(_));
    wait_for("the end", stopped).await;
    let seen = observed(&runtime, &spec).await;
    let ObservedState::Stopped(why) = &seen[0].state else {
        panic!("{seen:?}")
    };
    assert!(
        why.contains("no socket[2J there") && !why.contains('\u{1b}'),
        "{why}"
    );
    // And it can be started again.
    runtime.start(&spec).await.unwrap();
    runtime.purge(&spec.agent).await.unwrap();
}

#[tokio::test]
async fn another_agentd_makes_it_outdated() {
    let bench = Bench::new(SLEEPS);
    let mut spec = bench.spec();
    let runtime = bench.runtime();
    runtime.start(&spec).await.unwrap();
    assert!(!observed(&runtime, &spec).await[0].outdated);
    spec.socket_dir = bench.dir.path().join("elsewhere");
    assert!(observed(&runtime, &spec).await[0].outdated);
    runtime.purge(&spec.agent).await.unwrap();
}

#[tokio::test]
async fn a_number_that_is_another_process_now_ends_nobody() {
    let bench = Bench::new("exit 0");
    let spec = bench.spec();
    let runtime = bench.runtime();
    private_dir(&bench.workspace()).unwrap();
    runtime
        .mark(&spec.agent, "x", Some(std::process::id()))
        .unwrap();
    let seen = observed(&runtime, &spec).await;
    assert!(matches!(seen[0].state, ObservedState::Stopped(_)));
    runtime.remove(&spec.agent).await.unwrap();
    assert_eq!(observed(&runtime, &spec).await, []);
}

#[tokio::test]
async fn one_whose_number_was_never_noted_is_found_by_its_arguments() {
    let bench = Bench::new(SLEEPS);
    let spec = bench.spec();
    let first = bench.runtime();
    first.start(&spec).await.unwrap();
    wait_for("a pid file", || bench.pid().is_some()).await;
    first.mark(&spec.agent, &digest(&spec), None).unwrap();
    let second = bench.runtime();
    let seen = observed(&second, &spec).await;
    assert_eq!(seen[0].state, ObservedState::Running);
    first.purge(&spec.agent).await.unwrap();
}

#[test]
fn a_link_in_the_place_of_a_file_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agentd.log");
    std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
    assert_eq!(last_line(&path), None);
    assert!(open_log(&path).is_err());
    assert!(!is_locked(&path));
}

#[test]
fn a_log_is_bounded_while_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agentd.log");
    let mut writer = open_log(&path).unwrap();
    let block = vec![b'x'; 1 << 20];
    for _ in 0..5 {
        writer.write_all(&block).unwrap();
    }
    bound(&path).unwrap();
    writer.write_all(b"after\n").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"after\n");
}
