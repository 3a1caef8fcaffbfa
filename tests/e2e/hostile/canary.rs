//! Secrets are where they are needed, and nowhere else.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::cluster::{Cluster, PROVIDER_KEY, github_project, processes_of};
use cloud_code_tests::forge::{Forge, TOKEN};
use flate2::Compression;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::GzEncoder;
use tokio::task::JoinHandle;

use super::super::{PROGRAMS, projects, script};

const GRANTED: &str = "npm_canary_grant_0123456789abcdef";

/// All that is looked for: each secret as it is, as git's authorisation would carry it, and in every
/// form that a program writes bytes in.
fn needles() -> Vec<Vec<u8>> {
    let secrets = [PROVIDER_KEY, TOKEN, GRANTED];
    let mut needles: Vec<Vec<u8>> = secrets.iter().flat_map(|one| forms(one)).collect();
    needles.extend(forms(&format!("x-access-token:{TOKEN}")));
    needles
}

/// The forms of a secret.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let each = |form: fn(u8) -> String| bytes.iter().map(|byte| form(*byte)).collect::<String>();
    let mut texts = vec![
        secret.to_owned(),
        secret.chars().rev().collect(),
        hex::encode(bytes),
        hex::encode_upper(bytes),
        each(|byte| format!("%{byte:02X}")),
        each(|byte| format!("%{byte:02x}")),
        // As a URL has it: only what may not stand there is encoded.
        each(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        }),
        // As JSON may have it, and as what prints bytes does.
        each(|byte| format!("\\u{byte:04x}")),
        each(|byte| format!("\\x{byte:02x}")),
        bytes
            .iter()
            .map(u8::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    ];
    texts.extend(in_base64(bytes));
    let mut forms: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
    // UTF-16, as some tools write logs.
    forms.push(secret.encode_utf16().flat_map(u16::to_le_bytes).collect());
    forms
}

/// Base64 in both alphabets, wherever the secret begins within a larger text: what its first and
/// last characters share with their neighbours is left out.
fn in_base64(secret: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    for before in 0..3 {
        let mut text = vec![b' '; before];
        text.extend(secret);
        for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let encoded = alphabet.encode(&text);
            let from = (before * 8).div_ceil(6);
            let to = text.len() * 8 / 6;
            all.push(encoded[from..to].to_owned());
        }
    }
    all
}

fn found_in(bytes: &[u8], needles: &[Vec<u8>]) -> bool {
    let here = |bytes: &[u8]| {
        needles
            .iter()
            .any(|needle| bytes.windows(needle.len()).any(|window| window == needle))
    };
    here(bytes) || unpacked(bytes).iter().any(|plain| here(plain))
}

/// What is compressed in a file: blocks of logs anywhere in it, or the whole of it as gzip or as
/// one of git's objects. Of what is cut off, what comes before counts.
fn unpacked(bytes: &[u8]) -> Vec<Vec<u8>> {
    const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let plain = |mut packed: Box<dyn Read + '_>| {
        let mut plain = Vec::new();
        // What is not compressed after all holds nothing besides.
        let _cut_off = packed.read_to_end(&mut plain);
        plain
    };
    let frames = bytes.windows(FRAME.len()).enumerate();
    let frames = frames.filter(|(_, window)| *window == FRAME);
    let frames = frames.filter_map(|(at, _)| zstd::Decoder::new(&bytes[at..]).ok());
    let mut all: Vec<Vec<u8>> = frames
        .map(|frame| plain(Box::new(frame.single_frame())))
        .collect();
    match bytes {
        [0x1f, 0x8b, ..] => all.push(plain(Box::new(MultiGzDecoder::new(bytes)))),
        [0x78, ..] => all.push(plain(Box::new(ZlibDecoder::new(bytes)))),
        _neither => {}
    }
    all
}

#[test]
fn a_secret_is_found_in_every_form() -> Result<()> {
    let needles = forms(GRANTED);
    let quoted = format!("{{\"key\": \"{GRANTED}\"}}");
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(quoted.as_bytes())?;
    for hay in [
        quoted.clone().into_bytes(),
        STANDARD_NO_PAD.encode(&quoted).into_bytes(),
        URL_SAFE_NO_PAD.encode(format!("x{quoted}")).into_bytes(),
        STANDARD_NO_PAD.encode(format!("xx{quoted}")).into_bytes(),
        hex::encode(&quoted).into_bytes(),
        packed.finish()?,
        [
            b"block",
            &*zstd::encode_all(quoted.as_bytes(), 0)?,
            b"block",
        ]
        .concat(),
    ] {
        assert!(
            found_in(&hay, &needles),
            "{}",
            String::from_utf8_lossy(&hay)
        );
    }
    assert!(!found_in(b"npm_canary_grant_0123456789", &needles));
    Ok(())
}

fn files_with(folder: &Path, needles: &[Vec<u8>], found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            files_with(&entry.path(), needles, found);
        } else if kind.is_file()
            && fs::read(entry.path()).is_ok_and(|bytes| found_in(&bytes, needles))
        {
            found.push(entry.path().display().to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_state_in_an_argument_or_at_the_forge() -> Result<()> {
    let forge = Forge::start("acme/app").await?;
    forge.person("ada", "write");
    let cluster = Cluster::start(PROGRAMS, projects(github_project(&forge, 3_600, ""))).await?;
    cluster.listen_to(&forge);
    let operator = cluster.operator()?;
    operator
        .set_secret("npm_token", "publish", "acme/app", GRANTED)
        .await?;

    let watch = Watch::begin(cluster.root());
    let steps = "spend scripted-model 100\nrequest npm_token publish To publish\n\
        say the token is above\nrun echo \"token: $NPM_TOKEN\"\nrun printenv\nwrite a.txt 1\ncommit A";
    let body = script("Please.", steps);
    let issue = forge.create_issue_labelled("ada", "Publish", &body, &["cloud-code"]);
    let task = cluster.task_of(issue).await?;
    cluster.task_blocked(&task, "needs_credential").await?;
    let waiting = operator.snapshot().await?.approvals;
    let request = waiting
        .into_iter()
        .find(|one| one.task == task)
        .context("nothing is asked")?;
    let approve = v1::Approve {
        request: request.id,
        for_task: false,
    };
    operator.act(Action::Approve(approve)).await?;
    cluster.task_in(&task, "review").await?;
    let lines = watch.end().await?;

    let needles = needles();
    assert!(lines.len() > 3, "nothing was watched");
    for line in &lines {
        assert!(
            !found_in(line.as_bytes(), &needles),
            "in an argument: {line}"
        );
    }
    let mut found = Vec::new();
    files_with(&cluster.state(), &needles, &mut found);
    assert_eq!(found, Vec::<String>::new());
    let said = format!(
        "{}{:?}{:?}{:?}",
        cluster.said(),
        forge.comments(issue),
        forge.pull_requests(),
        operator.task(&task).await?
    );
    assert!(!found_in(said.as_bytes(), &needles), "{said}");
    Ok(())
}

/// Collects every command line of the installation until it is ended or dropped.
struct Watch {
    on: Arc<AtomicBool>,
    lines: Option<JoinHandle<BTreeSet<String>>>,
}

impl Watch {
    fn begin(root: &Path) -> Self {
        let on = Arc::new(AtomicBool::new(true));
        let (root, watching) = (root.to_owned(), Arc::clone(&on));
        let lines = tokio::task::spawn_blocking(move || {
            let mut lines = BTreeSet::new();
            while watching.load(Ordering::Relaxed) {
                let found = processes_of(&root);
                lines.extend(found.into_iter().map(|(_, line)| line));
            }
            lines
        });
        Self {
            on,
            lines: Some(lines),
        }
    }

    async fn end(mut self) -> Result<BTreeSet<String>> {
        self.on.store(false, Ordering::Relaxed);
        let lines = self.lines.take().context("it was ended before")?;
        Ok(lines.await?)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.on.store(false, Ordering::Relaxed);
    }
}
