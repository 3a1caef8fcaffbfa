//! Completion scripts, by the shells that read them.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use tokio::process::Command;

use super::Need::Tool;
use super::{OURS, ends_well, said, subcommands, with};

/// What Tab would offer for the last word of a line.
const TAB: &str = r#"
source "$1"; shift
completer=$(complete -p "$1" | sed 's/.* -F \([^ ]*\) .*/\1/')
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
"$completer" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        with(&[Tool("bash")], "bash_completes_every_subcommand", bash),
        with(
            &[Tool("zsh")],
            "zsh_reads_its_completion_script",
            async |place| read_by("zsh", place).await,
        ),
        with(
            &[Tool("fish")],
            "fish_reads_its_completion_script",
            async |place| read_by("fish", place).await,
        ),
    ]
}

/// Writes the script of a program, and has the shell read it without running it.
async fn script(shell: &str, program: &str, place: &Path) -> Result<String> {
    let (script, _) = said(place.join("bin").join(program), &["completions", shell]).await?;
    let file = place.join(format!("{program}.{shell}"));
    std::fs::write(&file, script)?;
    let file = file.to_str().context("a path that is no text")?.to_owned();
    said(shell, &["-n", &file]).await?;
    Ok(file)
}

async fn read_by(shell: &str, place: &Path) -> Result<()> {
    for program in OURS {
        script(shell, program, place).await?;
    }
    Ok(())
}

async fn bash(place: &Path) -> Result<()> {
    for program in OURS {
        let file = script("bash", program, place).await?;
        let tab = async |words: &[&str]| -> Result<BTreeSet<String>> {
            let mut bash = Command::new("bash");
            bash.args(["--norc", "-c", TAB, "tab", &file, program])
                .args(words);
            let (offered, complaints) = ends_well(bash).await?;
            ensure!(complaints.is_empty(), "{complaints}");
            Ok(offered.lines().map(ToOwned::to_owned).collect())
        };
        for words in subcommands(&place.join("bin").join(program)).await? {
            let Some((last, before)) = words.split_last() else {
                continue;
            };
            // All but its last letter is typed.
            let typed = last.get(..last.len().saturating_sub(1)).unwrap_or_default();
            let mut line: Vec<&str> = before.iter().map(String::as_str).collect();
            line.push(typed);
            let offered = tab(&line).await?;
            ensure!(offered.contains(last), "{program} {line:?}: {offered:?}");
            ensure!(
                offered.iter().all(|word| word.starts_with(typed)),
                "{program} {line:?}: {offered:?}"
            );
        }
        ensure!(tab(&["no-such-thi"]).await?.iter().all(String::is_empty));
    }
    Ok(())
}
