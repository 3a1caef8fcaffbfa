//! With a real git: what comes out of a spare is what a new worktree would be.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Thing {
    File(u8),
    Program(u8),
    Link(u8),
}

type Tree = BTreeMap<&'static str, Thing>;

/// A clone, and folders to make commits from.
struct Bench {
    dir: TempDir,
    workspace: Workspace,
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(&dir.path().join("workspace")).unwrap();
        workspace.make_clone().await.unwrap();
        Self { dir, workspace }
    }

    async fn git(&self, args: &[&str], environment: &[(&str, &Path)]) -> String {
        let mut command = git::command(&self.workspace.repository(), args);
        command.envs(environment.iter().copied());
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Test");
            command.env(format!("GIT_{who}_EMAIL"), "test@example.org");
        }
        git::finish(command, "git").await.unwrap()
    }

    async fn commit(&self, tree: &Tree) -> Oid {
        let source = tempfile::tempdir_in(self.dir.path()).unwrap();
        let files = source.path().join("files");
        fs::create_dir(&files).unwrap();
        for (path, thing) in tree {
            let path = files.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match thing {
                Thing::File(content) => fs::write(&path, [b'f', *content, b'\n']).unwrap(),
                Thing::Program(content) => {
                    fs::write(&path, [b'p', *content, b'\n']).unwrap();
                    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
                }
                Thing::Link(target) => symlink(format!("to-{target}"), &path).unwrap(),
            }
        }
        let index = source.path().join("index");
        let there = [
            ("GIT_WORK_TREE", files.as_path()),
            ("GIT_INDEX_FILE", index.as_path()),
        ];
        self.git(&["add", "--all"], &there).await;
        let tree = self.git(&["write-tree"], &there).await;
        let commit = self.git(&["commit-tree", &tree, "-m", "Test"], &[]).await;
        commit.parse().unwrap()
    }

    fn place(&self) -> PathBuf {
        let place = self.workspace.task(&"k3f9x2ab".parse().unwrap()).work();
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        place
    }

    async fn spare(&self, commit: &Oid) -> Spare {
        self.workspace.make_spare(commit, Pace::Full).await.unwrap()
    }

    /// Puts it in place, which has to be exactly `base`.
    async fn put(&self, spare: Option<Spare>, base: &Oid) -> Origin {
        let place = self.place();
        let put = self.workspace.put_in_place(spare, "task", base, &place);
        let origin = put.await.unwrap();
        let there = async |args: &[&str]| git::run(&place, args).await.unwrap();
        assert_eq!(there(&["status", "--porcelain", "--ignored"]).await, "");
        let flags = there(&["ls-files", "-v"]).await;
        assert!(flags.lines().all(|line| line.starts_with("H ")), "{flags}");
        let (head, tree) = ("HEAD", format!("{base}^{{tree}}"));
        let written = ["rev-parse", &tree];
        assert_eq!(there(&["write-tree"]).await, there(&written).await);
        assert_eq!(there(&["rev-parse", head]).await, base.to_string());
        let branch = ["symbolic-ref", head];
        assert_eq!(there(&branch).await, "refs/heads/task");
        assert_eq!(empty_folders(&place), Vec::<PathBuf>::new());
        origin
    }
}

fn empty_folders(path: &Path) -> Vec<PathBuf> {
    let entries: Vec<PathBuf> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    if entries.is_empty() {
        return vec![path.to_owned()];
    }
    let folders = entries
        .iter()
        .filter(|path| path.is_dir() && !path.is_symlink());
    folders.flat_map(|path| empty_folders(path)).collect()
}

fn file(content: u8) -> Thing {
    Thing::File(content)
}

/// Names that git could take for patterns or options, and folders where files are elsewhere.
const NAMES: [&str; 10] = [
    "a",
    "a/b",
    "a/b/c",
    "d/*",
    ":(glob)**",
    "-x",
    "d/e f",
    "d/g",
    "\u{e9}",
    ".gitignore",
];

fn tree() -> impl Strategy<Value = Tree> {
    let thing = prop_oneof![
        (97..100_u8).prop_map(Thing::File),
        (97..100_u8).prop_map(Thing::Program),
        (97..100_u8).prop_map(Thing::Link),
    ];
    let names = prop::sample::select(NAMES.to_vec());
    prop::collection::btree_map(names, thing, 1..8).prop_map(|mut tree| {
        // A file cannot be a folder as well.
        let all: Vec<&str> = tree.keys().copied().collect();
        let below = |name: &str, other: &str| other.starts_with(&format!("{name}/"));
        tree.retain(|name, _| !all.iter().any(|other| below(name, other)));
        tree
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_switched_spare_is_what_a_new_worktree_is(from in tree(), to in tree()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new().await;
            let (from, to) = (bench.commit(&from).await, bench.commit(&to).await);
            let spare = bench.spare(&from).await;
            assert_eq!(bench.put(Some(spare), &to).await, Origin::Spare);
        });
    }
}

#[tokio::test]
async fn files_whose_form_could_differ_come_from_a_new_worktree() {
    let bench = Bench::new().await;
    let from = Tree::from([("a", file(b'a')), ("b", file(b'b'))]);
    let mut to = from.clone();
    to.insert("deep/.gitattributes", file(b'#'));
    let (from, to) = (bench.commit(&from).await, bench.commit(&to).await);
    let spare = bench.spare(&from).await;
    assert_eq!(bench.put(Some(spare), &to).await, Origin::New);
}

#[test]
fn a_worktree_takes_whole_blocks_of_the_disk() {
    let list =
        b"100644 blob 1f      3\ta 9\x00100755 blob 1f   4097\tb\x00160000 commit 1f      -\tc\0";
    assert_eq!(size(list), 4096 + 8192);
    assert_eq!(size(b""), 0);
}

#[tokio::test]
async fn a_spare_that_is_damaged_is_of_no_use_and_no_harm() {
    let bench = Bench::new().await;
    let from = bench.commit(&Tree::from([("a", file(b'a'))])).await;
    let to = bench.commit(&Tree::from([("b", file(b'b'))])).await;
    let spare = bench.spare(&from).await;
    fs::write(spare.record.join("index"), "nonsense").unwrap();
    assert_eq!(bench.put(Some(spare), &to).await, Origin::New);
}

#[tokio::test]
async fn what_a_task_left_in_the_clone_neither_runs_nor_shapes_files() {
    let bench = Bench::new().await;
    let from = bench
        .commit(&Tree::from([("a", file(b'a')), ("b", file(b'b'))]))
        .await;
    let to = bench
        .commit(&Tree::from([("a", file(b'z')), ("c/d", file(b'd'))]))
        .await;
    let repository = bench.workspace.repository();
    let mark = bench.dir.path().join("ran");
    let run = format!("touch '{}'; cat; echo evil", mark.display());
    for (key, value) in [
        ("filter.evil.smudge", run.as_str()),
        ("filter.evil.required", "true"),
        ("core.autocrlf", "true"),
        ("core.sparseCheckout", "true"),
        ("core.symlinks", "false"),
        ("extensions.worktreeConfig", "true"),
        ("core.fsmonitor", &run),
    ] {
        bench.git(&["config", key, value], &[]).await;
    }
    fs::write(repository.join("info/attributes"), "* filter=evil\n").unwrap();
    fs::write(repository.join("info/sparse-checkout"), "/c\n").unwrap();
    fs::write(
        repository.join("config.worktree"),
        "[core]\n\tsparseCheckout = true\n",
    )
    .unwrap();
    let hook = repository.join("hooks/post-checkout");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, format!("#!/bin/sh\n{run}\n")).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();

    let spare = bench.spare(&from).await;
    assert_eq!(fs::read(spare.work().join("b")).unwrap(), b"fb\n");
    let record = spare.record.clone();
    let place = bench.place();
    let put = bench
        .workspace
        .put_in_place(Some(spare), "task", &to, &place);
    assert_eq!(put.await.unwrap(), Origin::Spare);
    assert_eq!(fs::read(place.join("a")).unwrap(), b"fz\n");
    assert_eq!(fs::read(place.join("c/d")).unwrap(), b"fd\n");
    assert!(!place.join("b").exists());
    assert!(!mark.exists(), "something of the task ran");
    for name in ["config.worktree", "info"] {
        assert!(!record.join(name).exists(), "{name} came along");
    }
}

#[tokio::test]
async fn git_knows_where_a_worktree_went() {
    let bench = Bench::new().await;
    let base = bench.commit(&Tree::from([("a", file(b'a'))])).await;
    let spare = bench.spare(&base).await;
    bench.put(Some(spare), &base).await;
    bench.workspace.prune().await.unwrap();
    let listed = bench.git(&["worktree", "list", "--porcelain"], &[]).await;
    let place = format!("worktree {}", bench.place().display());
    assert!(listed.contains(&place), "{listed}");
    assert!(!listed.contains("prunable"), "{listed}");
    assert_eq!(bench.git(&["worktree", "repair"], &[]).await, "");
    let removed = bench.workspace.remove_worktree(&bench.place()).await;
    removed.unwrap();
    let records = fs::read_dir(bench.workspace.repository().join("worktrees"));
    assert!(records.is_err() || records.unwrap().next().is_none());
    assert_eq!(fs::read_dir(bench.workspace.spares()).unwrap().count(), 0);
}

#[tokio::test]
async fn whatever_lies_where_spares_are_is_removed_and_never_followed() {
    let bench = Bench::new().await;
    let base = bench.commit(&Tree::from([("a", file(b'a'))])).await;
    let kept = bench.dir.path().join("kept");
    fs::create_dir(&kept).unwrap();
    fs::write(kept.join("file"), "").unwrap();
    symlink(&kept, bench.workspace.spares()).unwrap();
    bench.workspace.remove_spares().await.unwrap();
    let spare = bench.spare(&base).await;
    symlink(&kept, bench.workspace.spares().join("link")).unwrap();
    fs::write(bench.workspace.spares().join("file"), "").unwrap();
    drop(spare);
    bench.workspace.remove_spares().await.unwrap();
    assert_eq!(fs::read_dir(bench.workspace.spares()).unwrap().count(), 0);
    assert!(kept.join("file").exists());
    let listed = bench.git(&["worktree", "list"], &[]).await;
    assert_eq!(listed.lines().count(), 1, "{listed}");
}

#[tokio::test]
async fn what_is_not_taken_when_work_begins_is_given_to_nobody() {
    let bench = Bench::new().await;
    let base = bench.commit(&Tree::from([("a", file(b'a'))])).await;
    bench.workspace.keep_base(&base).await.unwrap();
    let spares = Spares::default();
    let keeping = spares.clone().keep(bench.workspace.clone());
    let story = async {
        assert!(spares.take().is_none());
        spares.rest();
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
        while !spares.is_ready() {
            assert!(tokio::time::Instant::now() < deadline, "no spare came");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(spares.take().map(|spare| spare.commit), Some(base));
        assert!(spares.take().is_none());
    };
    tokio::select! {
        () = keeping => panic!("nobody keeps spares any more"),
        () = story => {}
    }
}
