//! Text that wants to be obeyed by a terminal, from everywhere that text comes from.

use anyhow::{Result, ensure};
use libtest_mimic::Trial;

use crate::desk::Desk;
use crate::wire::only_allowed;
use crate::{installed, over_ssh};

/// Sets a title, fills the clipboard, asks for a report, switches to the other screen, turns the
/// direction of writing round, hides, and goes back over what stands there.
const EVIL: &str = "evil\u{1b}]0;pwned\u{7}\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[6n\u{9b}31m\u{1b}[?1049l\u{1b}P$q\u{1b}\\\u{202e}drow\u{2066}\u{e0041}\u{200b}\u{8}over";

/// The same from the agent's own file, whose reader turns it into what it stands for.
const WRITTEN: &str =
    r#""evil\u001b]0;pwned\u0007\u001b]52;c;ZXZpbA==\u0007\u001b[6n\u009b31m\u202edrow over""#;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        over_ssh("hostile_text_never_reaches_the_terminal", on_the_screen),
        installed(
            "hostile_text_never_reaches_a_subcommands_output",
            in_subcommands,
        ),
    ]
}

/// A task whose title, text, log, report and last words are hostile; blocked with a hostile reason.
async fn task(desk: &Desk) -> Result<String> {
    let text = format!(
        r#"{EVIL}

- [ ] {EVIL}

```script
say {EVIL}
run printf '\033]52;c;ZXZpbA==\007\033[6n\342\200\256\302\233' ; printf '\033]0;x\007' >&2
report {{"summary": {WRITTEN}, "current_step": {WRITTEN}, "blocked_reason": {WRITTEN}}}
```
"#
    );
    let task = desk.task(EVIL, &text).await?;
    let blocked = desk.cluster.task_in(&task, "blocked").await?;
    ensure!(blocked.state_detail.contains("over"), "{blocked:?}");
    Ok(task)
}

async fn on_the_screen(desk: &mut Desk) -> Result<()> {
    task(desk).await?;
    for size in [(80, 24), (160, 50)] {
        let name = format!("w{}", size.0);
        let terminal = desk.tmux()?.open(&name, size, &desk.remote()).await?;
        terminal.press(&["2"]).await?;
        terminal.shows("evil").await?;
        for keys in [
            ["Enter"].as_slice(),
            &["d"],
            &["Tab"],
            &["Tab"],
            &["L"],
            &["w"],
            &["4", "d", "d", "d", "d"],
            &["5"],
            &["6", "Enter"],
            &["?"],
            &["Escape", ":", "e", "v", "i", "l"],
            &["Escape", "2", "g", "g", "X"],
        ] {
            terminal.press(keys).await?;
        }
        terminal.shows("end it").await?;
        only_allowed(&terminal.wire())?;
        let title = terminal.fact("#{pane_title}").await?;
        ensure!(!title.contains("pwned"), "the title was set");
    }
    Ok(())
}

async fn in_subcommands(desk: &mut Desk) -> Result<()> {
    let task = task(desk).await?;
    for line in [
        ["tasks"].as_slice(),
        &["task", "show", &task],
        &["logs", &task],
        &["events"],
        &["agents"],
        &["approvals"],
        &["costs", "--by", "task"],
    ] {
        let said = desk.run(line).await?;
        ensure!(said.code == Some(0), "{line:?}: {}", said.err);
        ensure!(!said.out.contains('\u{1b}'), "{line:?}: {:?}", said.out);
        only_allowed(said.out.as_bytes())?;
        let json = desk.run(&[["--json"].as_slice(), line].concat()).await?;
        ensure!(!json.out.contains('\u{1b}'), "{line:?}: {:?}", json.out);
        only_allowed(json.out.as_bytes())?;
    }
    let said = desk.run(&["task", "show", EVIL]).await?;
    ensure!(said.code == Some(1), "{:?}", said.code);
    only_allowed(said.err.as_bytes())
}
