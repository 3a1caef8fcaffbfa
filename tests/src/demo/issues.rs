//! The sample repository and its issues. What the scripted coding CLI does stands in each issue's
//! text, so that nothing is hidden.

use super::stage::Stage;

/// The sample repository.
pub(super) const FILES: &[(&str, &str)] = &[
    ("README.md", "# Sample\n\nA small program that counts.\n"),
    ("src/count.sh", "#!/bin/sh\nwc -l < \"$1\"\n"),
];

/// A sample issue.
pub(super) struct Sample {
    pub(super) project: &'static str,
    pub(super) title: &'static str,
    pub(super) body: &'static str,
}

/// Becomes a pull request at once.
pub(super) const GREETING: Sample = Sample {
    project: "sample",
    title: "Greet the user by name",
    body: "The program should say hello before it counts.

- [ ] `src/greet.sh` prints a greeting
- [ ] the README mentions it

```script
say reading README.md and src/count.sh
spend scripted-model 400
run printf '#!/bin/sh\\necho \"Hello, ${1:-stranger}!\"\\n' > src/greet.sh
criteria done 1
run printf '\\nRun `src/greet.sh NAME` for a greeting.\\n' >> README.md
criteria done 2
commit Greet the user by name
```
",
};

/// Fails once and is tried again.
pub(super) const FLAKY: Sample = Sample {
    project: "sample",
    title: "Count empty files as zero",
    body: "`count.sh` fails for a file that does not exist.

```script
say trying a fix
spend scripted-model 300
fail 3 once
run printf '#!/bin/sh\\n[ -f \"$1\" ] || { echo 0; exit 0; }\\nwc -l < \"$1\"\\n' > src/count.sh
commit Count a missing file as zero
```
",
};

/// Asks for a credential and waits for the operator.
pub(super) const CREDENTIAL: Sample = Sample {
    project: "sample",
    title: "Publish the package",
    body: "Prepare the release and publish it.

```script
spend scripted-model 300
request npm_token publish Publishing the package needs a token that may publish
run printf '# Release 0.1.0\\n\\nPublished by the release script.\\n' > RELEASE.md
commit Prepare the release
```
",
};

/// Reaches its cost limit and waits.
pub(super) const EXPENSIVE: Sample = Sample {
    project: "sample",
    title: "Rewrite everything",
    body: "Rewrite the program in every style that there is.

```script
say thinking very hard
spend scripted-model 4000
spend scripted-model 4000
spend scripted-model 4000
spend scripted-model 4000
spend scripted-model 4000
spend scripted-model 4000
run printf '# The rewrite\\n\\nIt stays as it is.\\n' > REWRITE.md
commit Think about a rewrite
```
",
};

/// Waits in triage.
pub(super) const TRIAGE: Sample = Sample {
    project: "inbox",
    title: "Explain what the program is for",
    body: "Nothing runs here before an operator accepts it.",
};

/// All, in the order that they are filed.
pub(super) const ALL: [&Sample; 5] = [&GREETING, &FLAKY, &CREDENTIAL, &EXPENSIVE, &TRIAGE];

/// How fast the scripted coding CLI works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// As fast as it can.
    Full,
    /// With a pause before each call of the model and each commit, so that people can watch.
    Watched,
}

impl Pace {
    /// The issue's text; the pauses stand in it as everything else does.
    fn text(self, body: &str) -> String {
        match self {
            Self::Full => body.to_owned(),
            Self::Watched => body
                .replace("\nspend ", "\nrun sleep 2\nspend ")
                .replace("\ncommit ", "\nrun sleep 2\ncommit "),
        }
    }
}

/// Stores the secret that one of them will ask for, and files all.
pub(super) async fn file_all(stage: &Stage, pace: Pace) -> anyhow::Result<Vec<String>> {
    let operator = stage.operator();
    operator
        .set_secret(
            "npm_token",
            "publish",
            "sample",
            "npm_demo_token_0123456789",
        )
        .await?;
    let mut tasks = Vec::new();
    for sample in ALL {
        tasks.push(
            operator
                .new_task(sample.project, sample.title, &pace.text(sample.body))
                .await?,
        );
    }
    Ok(tasks)
}
