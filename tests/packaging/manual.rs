//! The manual: one page for each subcommand, as `man` shows it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use tokio::process::Command;

use super::Need::Tool;
use super::{OURS, ends_well, said, subcommands, with};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        with(&[], "every_subcommand_has_its_page", every_subcommand),
        with(
            &[Tool("man"), Tool("groff")],
            "man_shows_every_page_without_a_complaint",
            shown,
        ),
        with(
            &[],
            "a_manual_that_cannot_be_written_is_said",
            cannot_be_written,
        ),
    ]
}

/// Writes the pages of a program; their names.
async fn pages(program: &str, place: &Path) -> Result<BTreeSet<String>> {
    let directory = place.join(format!("{program}-man"));
    let to = directory.to_str().context("a path that is no text")?;
    said(place.join("bin").join(program), &["man", to]).await?;
    let names = std::fs::read_dir(&directory)?.map(|entry| Ok(entry?.file_name()));
    let names: Vec<_> = names.collect::<std::io::Result<_>>()?;
    let names = names.into_iter().map(|name| name.into_string());
    names
        .collect::<Result<_, _>>()
        .map_err(|name| anyhow::anyhow!("{name:?} is no text"))
}

async fn every_subcommand(place: &Path) -> Result<()> {
    for program in OURS {
        let pages = pages(program, place).await?;
        let known = subcommands(&place.join("bin").join(program)).await?;
        let mut wanted: BTreeSet<String> = known
            .iter()
            .map(|words| format!("{program}-{}.1", words.join("-")))
            .collect();
        wanted.insert(format!("{program}.1"));
        ensure!(pages == wanted, "{pages:?} instead of {wanted:?}");
    }
    Ok(())
}

async fn shown(place: &Path) -> Result<()> {
    for program in OURS {
        for page in pages(program, place).await? {
            let mut man = Command::new("man");
            man.args(["--warnings", "-l"])
                .arg(place.join(format!("{program}-man")).join(&page))
                .env("LC_ALL", "C.UTF-8")
                .env("MANWIDTH", "100");
            let (text, complaints) = ends_well(man).await?;
            ensure!(complaints.is_empty(), "{page}: {complaints}");
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION"] {
                ensure!(text.contains(section), "{page} has no {section}: {text}");
            }
        }
    }
    Ok(())
}

async fn cannot_be_written(place: &Path) -> Result<()> {
    let file = place.join("taken");
    std::fs::write(&file, "")?;
    let to = file.to_str().context("a path that is no text")?;
    for program in OURS {
        let written = said(place.join("bin").join(program), &["man", to]).await;
        let refusal = written.err().map(|error| error.to_string());
        let refusal = refusal.with_context(|| format!("{program} wrote over a file"))?;
        ensure!(refusal.contains("cannot be written"), "{refusal}");
        ensure!(refusal.contains(to), "{refusal}");
    }
    Ok(())
}
