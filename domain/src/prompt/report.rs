//! The part of the first prompt that explains reporting.yaml.

/// What the coding CLI may write into its report, and what follows from it.
pub(super) const HOW_TO_REPORT: &str = r#"# How to report

`.cloud-code/reporting.yaml` has an entry for this task under `tasks`. Edit these fields of that
entry, keep the rest as it is, and keep the file valid YAML:

- `current_step`: what you do now, one line. Write it whenever you begin something new.
- `summary`: what you did and what is left, a few sentences for the people who watch the issue.
- `changes_summary`: a list, one line for each change that a reviewer should know of. It becomes the
  text of the pull request.
- `acceptance_criteria`: a list of `criterion` (the text as given above) and `status` (`pending`,
  `in_progress` or `done`).
- `blocked_reason`: only if you cannot go on without a person: what you need to know, as a question.
  Then end the turn. You get the answer in a later turn, in this worktree. If you cannot do it and
  another coding CLI probably can, write `recommend_handoff`, or `recommend_handoff: its name`.
- `credential_requests`: only if you cannot go on without a credential. Add an entry, then end the
  turn; a later turn finds it in `.cloud-code/credentials/` and in its environment. Never look for
  credentials anywhere else, and never print one.

```yaml
tasks:
  <the id that is there>:
    current_step: "Writing the tests of the login form"
    summary: |
      The form validates and submits. The tests are being written.
    changes_summary:
      - "Add the login form"
    acceptance_criteria:
      - criterion: "The form has a password field"
        status: done
    blocked_reason: null
    credential_requests:
      - id: registry
        type: npm_token
        scope: "@acme:registry"
        reason: "npm ci needs the private package @acme/ui"
```

Types and scopes of credentials: `npm_token` (`@scope:registry`, `publish`), `database_url`
(`read_only`, `read_write`, `admin`), `github_token` (`read_only`), `api_key` (the service's name),
`ssh_key` (`git`, `deploy`). Reading is often granted at once; everything else waits for a person.
"#;
