use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::branch::BranchName;
use super::git::{Call, Git, GitError};
use super::push::Pushed;
use super::testing::http::HttpHost;
use super::testing::{Sandbox, Work, branch, git, oid};
use super::{Mirror, Mirrors};
use crate::ports::{GitAccess, Trouble};

#[tokio::test]
async fn a_fetch_brings_the_named_branches_and_forgets_those_that_are_gone() {
    let sandbox = Sandbox::new().await;
    let person = &sandbox.person;
    person
        .git(&["push", "--quiet", "origin", "main:topic", "main:other"])
        .await;
    let (topic, gone) = (branch("topic"), branch("gone"));
    let access = sandbox.access();
    let found = sandbox
        .mirror
        .fetch(&access, &[&topic, &gone])
        .await
        .unwrap();
    assert_eq!(found[&topic], Some(sandbox.base.clone()));
    assert_eq!(found[&gone], None);
    assert_eq!(sandbox.mirror.head(&branch("other")).await.unwrap(), None);
    person.git(&["push", "--quiet", "origin", ":topic"]).await;
    let found = sandbox.mirror.fetch(&access, &[&topic]).await.unwrap();
    assert_eq!(found[&topic], None);
    assert_eq!(sandbox.mirror.head(&topic).await.unwrap(), None);
}

#[tokio::test]
async fn who_waits_for_a_fetch_is_answered_by_the_next_one_that_begins() {
    let sandbox = Sandbox::new().await;
    let (main, access) = (branch("main"), sandbox.access());
    let wanted = [&main];
    let fetch = || Box::pin(sandbox.mirror.fetch(&access, &wanted));
    let under_way = sandbox.mirror.refs.lock().await;
    let (mut first, mut second) = (fetch(), fetch());
    for waits in [&mut first, &mut second] {
        assert!(futures_util::poll!(waits).is_pending());
    }
    let next = sandbox.person.commit(&[("a", Some("a"))], "Next").await;
    let person = &sandbox.person;
    person.git(&["push", "--quiet", "origin", "main"]).await;
    drop(under_way);
    assert_eq!(first.await.unwrap()[&main], Some(next.clone()));
    // The remote is gone: who had asked before is answered all the same, who asks now is not.
    std::fs::rename(&sandbox.source, sandbox.root.path().join("gone")).unwrap();
    assert_eq!(second.await.unwrap()[&main], Some(next));
    assert!(fetch().await.is_err());
}

#[tokio::test]
async fn a_remote_without_any_branch_is_empty() {
    let sandbox = Sandbox::new().await;
    let mirror = &sandbox.mirror;
    assert!(!mirror.is_remote_empty(&sandbox.access()).await.unwrap());
    let bare = tempfile::tempdir().unwrap();
    git(bare.path(), &["init", "--quiet", "--bare"]).await;
    let access = GitAccess {
        url: bare.path().display().to_string(),
        authorization: None,
    };
    assert!(mirror.is_remote_empty(&access).await.unwrap());
}

#[tokio::test]
async fn a_pack_holds_the_history_of_one_commit_and_nothing_else() {
    let sandbox = Sandbox::new().await;
    let person = &sandbox.person;
    person.git(&["checkout", "--quiet", "-b", "private"]).await;
    let private = person
        .commit(&[("secret.txt", Some("private\n"))], "Private")
        .await;
    person.git(&["push", "--quiet", "origin", "private"]).await;
    sandbox.fetch(&["private"]).await;
    assert!(sandbox.mirror.contains(&private).await.unwrap());
    let agent = sandbox.agent("agent", &sandbox.base).await;
    let list = agent
        .git(&["cat-file", "--batch-check", "--batch-all-objects"])
        .await;
    let blob = person.git(&["rev-parse", "private:secret.txt"]).await;
    assert!(!list.contains(private.as_str()) && !list.contains(&blob));
    assert!(list.contains(sandbox.base.as_str()));
}

#[tokio::test]
async fn what_an_agent_claims_to_have_only_makes_its_pack_smaller() {
    let sandbox = Sandbox::new().await;
    let next = sandbox
        .person
        .commit(&[("new.txt", Some("new\n"))], "Third")
        .await;
    sandbox
        .person
        .git(&["push", "--quiet", "origin", "main"])
        .await;
    sandbox.fetch(&["main"]).await;
    let agent = sandbox.agent("agent", &sandbox.base).await;
    let claims = [oid(&"1".repeat(40)), sandbox.base.clone()];
    let mut pack = sandbox.mirror.pack_for(&next, &claims).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = pack.next().await.unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    // A commit, a tree and a file; no delta against something that is not in it.
    assert_eq!(bytes[8..12], 3_u32.to_be_bytes());
    super::testing::git_with(&agent.path, &["index-pack", "--stdin"], &bytes).await;
    assert_eq!(
        agent.git(&["show", &format!("{next}:new.txt")]).await,
        "new"
    );
    let unknown = sandbox.mirror.pack_for(&oid(&"2".repeat(40)), &[]).await;
    assert!(unknown.is_err());
}

#[tokio::test]
async fn a_push_moves_one_ref_once_and_replaces_nothing_unexpected() {
    let sandbox = Sandbox::new().await;
    let (access, ours) = (sandbox.access(), branch("cloud-code/1-abc"));
    let before = git(&sandbox.source, &["for-each-ref"]).await;
    let push = |head, expected| sandbox.mirror.push_ref(&access, &ours, head, expected);
    assert_eq!(push(&sandbox.base, None).await, Ok(Pushed::Pushed));
    assert_eq!(push(&sandbox.base, None).await, Ok(Pushed::AlreadyThere));
    let after = git(&sandbox.source, &["for-each-ref"]).await;
    let added = format!("{} commit\trefs/heads/cloud-code/1-abc", sandbox.base);
    assert!(after.contains(&added));
    assert_eq!(after.lines().count(), before.lines().count() + 1);

    // Somebody commits to our branch; we have something else in mind.
    let person = &sandbox.person;
    let theirs = person.commit(&[("fix.txt", Some("x\n"))], "Theirs").await;
    person
        .git(&["push", "--quiet", "origin", "HEAD:cloud-code/1-abc"])
        .await;
    person.git(&["reset", "--quiet", "--hard", "HEAD~1"]).await;
    let mine = person.commit(&[("mine.txt", Some("x\n"))], "Mine").await;
    person
        .git(&["push", "--quiet", "origin", "HEAD:main"])
        .await;
    sandbox.fetch(&["main"]).await;
    let conflict = push(&mine, Some(&sandbox.base)).await;
    assert_eq!(
        conflict,
        Ok(Pushed::Conflict {
            found: Some(theirs.clone())
        })
    );
    assert_eq!(
        push(&mine, None).await,
        Ok(Pushed::Conflict {
            found: Some(theirs.clone())
        })
    );
    assert_eq!(push(&mine, Some(&theirs)).await, Ok(Pushed::Pushed));
}

#[tokio::test]
async fn a_branch_that_somebody_has_checked_out_is_not_moved_under_them() {
    let sandbox = Sandbox::new().await;
    let next = sandbox.person.commit(&[("a", Some("b"))], "Next").await;
    sandbox
        .person
        .git(&["push", "--quiet", "origin", "main:main"])
        .await;
    sandbox.fetch(&["main"]).await;
    let theirs = Work::init(sandbox.root.path().join("theirs")).await;
    theirs
        .git(&["pull", "--quiet", sandbox.source.to_str().unwrap(), "main"])
        .await;
    theirs
        .git(&["reset", "--quiet", "--hard", sandbox.base.as_str()])
        .await;
    theirs
        .git(&["config", "receive.denyCurrentBranch", "updateInstead"])
        .await;
    let access = GitAccess {
        url: theirs.path.to_str().unwrap().to_owned(),
        authorization: None,
    };
    let push = sandbox
        .mirror
        .push_ref(&access, &sandbox.main, &next, Some(&sandbox.base));
    let answer = push.await;
    assert!(
        matches!(&answer, Err(Trouble::Refused { what }) if what.contains("checked out")),
        "{answer:?}"
    );
    assert_eq!(theirs.head().await, sandbox.base);
}

/// Plants everything in a repository that git is known to run, each with the same marker.
fn plant(git_dir: &std::path::Path, marker: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    let run = format!("touch '{}'", marker.display());
    let hooks = git_dir.join("hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    for name in [
        "pre-receive",
        "update",
        "post-receive",
        "post-update",
        "reference-transaction",
        "push-to-checkout",
        "pre-auto-gc",
        "post-checkout",
        "post-merge",
        "pre-push",
        "post-index-change",
        "pre-commit",
        "post-commit",
        "commit-msg",
        "fsmonitor-watchman",
    ] {
        let hook = hooks.join(name);
        std::fs::write(&hook, format!("#!/bin/sh\n{run}\n")).unwrap();
        std::fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let script = git_dir.join("evil");
    std::fs::write(&script, format!("#!/bin/sh\n{run}\ncat\n")).unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let evil = script.display();
    let mut config = std::fs::read_to_string(git_dir.join("config")).unwrap();
    config.push_str(&format!(
        "[core]\n\tfsmonitor = {evil}\n\tsshCommand = {evil}\n\tpager = {evil}\n\teditor = {evil}\n\
         \thooksPath = {hooks}\n\talternateRefsCommand = {evil}\n\taskPass = {evil}\n\
         [diff]\n\texternal = {evil}\n[diff \"x\"]\n\ttextconv = {evil}\n\tcommand = {evil}\n\
         [filter \"x\"]\n\tclean = {evil}\n\tsmudge = {evil}\n\tprocess = {evil}\n\trequired = true\n\
         [merge \"x\"]\n\tdriver = {evil}\n[gpg]\n\tprogram = {evil}\n[commit]\n\tgpgSign = true\n\
         [credential]\n\thelper = {evil}\n[receive]\n\tdenyCurrentBranch = updateInstead\n\
         [uploadpack]\n\tpackObjectsHook = {evil}\n[gc]\n\tauto = 1\n\tautoDetach = false\n\
         [remote \"origin\"]\n\tuploadpack = {evil}\n\treceivepack = {evil}\n\tpromisor = true\n\
         \turl = ext::{evil}\n[protocol]\n\tallow = always\n[extensions]\n\tpartialClone = origin\n",
        hooks = hooks.display(),
    ));
    std::fs::write(git_dir.join("config"), config).unwrap();
    std::fs::create_dir_all(git_dir.join("info")).unwrap();
    std::fs::write(
        git_dir.join("info/attributes"),
        "* filter=x diff=x merge=x\n",
    )
    .unwrap();
}

#[tokio::test]
async fn nothing_that_a_source_repository_names_runs_on_the_host() {
    let sandbox = Sandbox::new().await;
    let marker = sandbox.root.path().join("ran");
    let next = sandbox
        .person
        .commit(
            &[
                ("a.txt", Some("b\n")),
                (".gitattributes", Some("* filter=x diff=x merge=x\n")),
            ],
            "Next",
        )
        .await;
    sandbox
        .person
        .git(&["push", "--quiet", "origin", "main:topic"])
        .await;
    plant(&sandbox.source, &marker);
    // With an alternate, its refs are asked for by the planted command.
    let info = sandbox.source.join("objects/info");
    std::fs::create_dir_all(&info).unwrap();
    let objects = sandbox.person.path.join(".git/objects");
    std::fs::write(info.join("alternates"), format!("{}\n", objects.display())).unwrap();
    // The plants are alive: a plain push runs them.
    let plain = sandbox.root.path().join("plain.git");
    git(
        sandbox.root.path(),
        &[
            "clone",
            "--quiet",
            "--bare",
            "person",
            plain.to_str().unwrap(),
        ],
    )
    .await;
    plant(&plain, &marker);
    sandbox
        .person
        .git(&["push", "--quiet", plain.to_str().unwrap(), "main:alive"])
        .await;
    assert!(marker.exists(), "the test plants nothing that works");
    std::fs::remove_file(&marker).unwrap();

    let (access, topic) = (sandbox.access(), branch("topic"));
    let mirror = &sandbox.mirror;
    let found = mirror
        .fetch(&access, &[&sandbox.main, &topic])
        .await
        .unwrap();
    assert_eq!(found[&topic], Some(next.clone()));
    let ours = branch("cloud-code/1-a");
    assert_eq!(
        mirror.push_ref(&access, &ours, &next, None).await,
        Ok(Pushed::Pushed)
    );
    let main = mirror
        .push_ref(&access, &sandbox.main, &next, Some(&sandbox.base))
        .await;
    assert_eq!(main, Ok(Pushed::Pushed));
    let (diff, cut) = mirror.diff(&sandbox.base, &next, 1 << 20).await.unwrap();
    assert!(diff.contains("+b") && !cut);
    assert!(!marker.exists());
}

#[tokio::test]
async fn a_diff_is_cut_at_its_bound_and_counted_whole() {
    let sandbox = Sandbox::new().await;
    let long = "line\n".repeat(50_000);
    let head = sandbox
        .person
        .commit(&[("long.txt", Some(&long))], "Long")
        .await;
    sandbox
        .person
        .git(&["push", "--quiet", "origin", "main"])
        .await;
    sandbox.fetch(&["main"]).await;
    let (text, cut) = sandbox
        .mirror
        .diff(&sandbox.base, &head, 1000)
        .await
        .unwrap();
    assert!(cut && text.len() == 1000 && text.contains("long.txt"));
    let stat = sandbox
        .mirror
        .diff_stat(&sandbox.base, &head)
        .await
        .unwrap();
    assert_eq!((stat.files, stat.added, stat.removed), (1, 50_000, 0));
}

#[tokio::test]
async fn what_a_killed_git_left_behind_is_cleared_at_the_next_start() {
    let sandbox = Sandbox::new().await;
    let path = sandbox.mirror.path().to_owned();
    let locks = [
        "refs/heads/main.lock",
        "packed-refs.lock",
        "config.lock",
        "objects/pack/tmp_pack_x",
    ];
    for lock in locks {
        std::fs::write(path.join(lock), "").unwrap();
    }
    std::fs::write(path.join("config"), "[core]\n\thooksPath = /evil\n").unwrap();
    let again = Mirrors::new(&sandbox.root.path().join("state"));
    let mirror = again.of(&"acme/app".parse().unwrap()).await.unwrap();
    sandbox.person.commit(&[("x", Some("y"))], "Next").await;
    sandbox
        .person
        .git(&["push", "--quiet", "origin", "main"])
        .await;
    mirror
        .fetch(&sandbox.access(), &[&sandbox.main])
        .await
        .unwrap();
    assert!(locks.iter().all(|lock| !path.join(lock).exists()));
    assert!(
        !std::fs::read_to_string(path.join("config"))
            .unwrap()
            .contains("evil")
    );
}

#[tokio::test]
async fn a_git_that_does_not_end_is_killed_at_its_deadline() {
    let sandbox = Sandbox::new().await;
    let call = Call::new(sandbox.mirror.path(), ["cat-file", "--batch"])
        .deadline(Duration::from_millis(50));
    let mut running = Git::new().start(&call).unwrap();
    let _kept_open = running.take_stdin();
    let mut stdout = running.take_stdout().unwrap();
    let answer = running.within(stdout.read_u8()).await;
    assert!(
        matches!(answer, Err(GitError::Deadline { .. })),
        "{answer:?}"
    );
    drop(running);
    // Killed: its end of the pipe is closed.
    assert!(stdout.read_u8().await.is_err());
}

/// Answers every request on loopback with one response, and keeps what it was asked.
async fn answer_all(
    response: String,
) -> (
    u16,
    tokio::sync::mpsc::Receiver<String>,
    tokio::task::JoinHandle<()>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (send, asked) = tokio::sync::mpsc::channel(16);
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 8192];
            let length = stream.read(&mut request).await.unwrap_or(0);
            request.truncate(length);
            send.send(String::from_utf8_lossy(&request).into_owned())
                .await
                .ok();
            stream.write_all(response.as_bytes()).await.ok();
        }
    });
    (port, asked, task)
}

async fn head_over_http(
    mirror: &Mirror,
    port: u16,
) -> Result<Option<cloud_code_domain::id::Oid>, Trouble> {
    let access = GitAccess {
        url: format!("http://127.0.0.1:{port}/acme/app.git"),
        authorization: Some("Basic c2VjcmV0".into()),
    };
    let main: BranchName = branch("main");
    mirror.remote_head(&access, &main).await
}

#[tokio::test]
async fn the_authorisation_reaches_the_remote_and_no_message() {
    let sandbox = Sandbox::new().await;
    let denied = "HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (port, mut asked, server) = answer_all(denied.to_owned()).await;
    let answer = head_over_http(&sandbox.mirror, port).await;
    let request = asked.recv().await.unwrap();
    assert!(
        request.contains("Authorization: Basic c2VjcmV0"),
        "{request}"
    );
    assert!(matches!(answer, Err(Trouble::Later { .. })), "{answer:?}");
    assert!(!format!("{answer:?}").contains("c2VjcmV0"));
    server.abort();
}

#[tokio::test]
async fn over_http_a_branch_is_fetched_and_pushed_with_the_header_alone() {
    let sandbox = Sandbox::new().await;
    git(&sandbox.source, &["config", "http.receivepack", "true"]).await;
    let host = HttpHost::serve(sandbox.root.path(), "Basic c2VjcmV0").await;
    let access = |authorization: Option<&str>| GitAccess {
        url: format!("http://127.0.0.1:{}/source.git", host.port),
        authorization: authorization.map(Into::into),
    };
    let good = access(Some("Basic c2VjcmV0"));
    let text = "x".repeat(3 << 20);
    let next = sandbox
        .person
        .commit(&[("large.txt", Some(&text))], "Next")
        .await;
    sandbox
        .person
        .git(&["push", "--quiet", "origin", "main"])
        .await;
    let found = sandbox.mirror.fetch(&good, &[&sandbox.main]).await.unwrap();
    assert_eq!(found[&sandbox.main], Some(next.clone()));
    let (mirror, ours) = (&sandbox.mirror, branch("cloud-code/1-a"));
    let pushed = mirror.push_ref(&good, &ours, &next, None).await;
    assert_eq!(pushed, Ok(Pushed::Pushed));
    let again = mirror.push_ref(&good, &ours, &next, None).await;
    assert_eq!(again, Ok(Pushed::AlreadyThere));
    let conflict = mirror.push_ref(&good, &ours, &sandbox.base, None).await;
    assert_eq!(conflict, Ok(Pushed::Conflict { found: Some(next) }));
    for bad in [None, Some("Basic d3Jvbmc=")] {
        let answer = mirror
            .push_ref(&access(bad), &ours, &sandbox.base, None)
            .await;
        assert!(matches!(answer, Err(Trouble::Later { .. })), "{answer:?}");
    }
    let gone = GitAccess {
        url: format!("http://127.0.0.1:{}/gone.git", host.port),
        ..good
    };
    // Perhaps we are not let in just now.
    let answer = mirror.remote_head(&gone, &ours).await;
    assert!(matches!(answer, Err(Trouble::Later { .. })), "{answer:?}");
    // Nothing of it is in a file of ours.
    let config = std::fs::read_to_string(mirror.path().join("config")).unwrap();
    assert!(!config.contains("c2VjcmV0") && !config.contains("127.0.0.1"));
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let sandbox = Sandbox::new().await;
    let (inner, mut reached, inner_server) = answer_all("HTTP/1.1 200 OK\r\n\r\n".to_owned()).await;
    let away = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{inner}/x/info/refs\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let (port, mut asked, server) = answer_all(away).await;
    assert!(head_over_http(&sandbox.mirror, port).await.is_err());
    assert!(asked.recv().await.is_some());
    server.abort();
    inner_server.abort();
    assert!(reached.try_recv().is_err(), "the redirect was followed");
}
