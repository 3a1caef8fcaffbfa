//! `[accounts]`, `[coding_cli]`, `[prices]`: what is spent, by what, at which price.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cloud_code_domain::account::{Authorisation, Provider};
use cloud_code_domain::id::{AccountName, CodingCliName};
use cloud_code_domain::price::Price;

use super::super::adapter::CANNOT;
use super::super::problem::{meant, quoted};
use super::super::read::{Field, Name, Section};
use super::super::{AccountConfig, AccountSecret, AdapterKind, CodingCliConfig};
use super::{Ground, command};

/// What is wrong with a coding CLI that would choose a model of another account.
const NEEDS_MODEL: &str = "write model = \"NAME\", as the provider of its account calls it";

/// How long a coding CLI is let wait for a usage limit.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// Named things that were read, and all names that are written in the file: a name whose entry has
/// a mistake is still known, so that it is not reported twice.
pub(super) struct Named<N, T> {
    pub(super) read: Option<BTreeMap<N, T>>,
    pub(super) known: Vec<(N, Option<T>)>,
}

impl<N: Ord + Clone, T: Clone> Named<N, T> {
    fn new(all: Vec<Option<(N, Option<T>)>>) -> Self {
        let complete = all
            .iter()
            .map(|entry| {
                let (name, read) = entry.as_ref()?;
                Some((name.clone(), read.clone()?))
            })
            .collect();
        Self {
            read: complete,
            known: all.into_iter().flatten().collect(),
        }
    }
}

/// The name that an operator chose for an entry.
fn chosen<N>(name: &Name<'_>, field: &Field<'_, '_>) -> Option<N>
where
    N: std::str::FromStr<Err = cloud_code_domain::id::BadName>,
{
    let parsed = name.text.parse();
    parsed
        .map_err(|bad: cloud_code_domain::id::BadName| {
            field.note_name(
                name,
                format!("{} is no valid {}", quoted(name.text), bad.kind),
                bad.rule,
            );
        })
        .ok()
}

pub(super) fn accounts(
    root: &Section<'_, '_>,
    ground: Ground<'_>,
) -> Named<AccountName, AccountConfig> {
    let entry = |(name, field): (Name<'_>, Field<'_, '_>)| {
        let account = account(field.section(), ground);
        Some((chosen(&name, &field)?, account))
    };
    Named::new(root.entries("accounts").into_iter().map(entry).collect())
}

fn account(section: Section<'_, '_>, ground: Ground<'_>) -> Option<AccountConfig> {
    const AUTHS: [(Authorisation, &str); 2] = [
        (Authorisation::ApiKey, "api_key"),
        (Authorisation::ClaudeToken, "claude_token"),
    ];
    let kind = section
        .required(
            "kind",
            "write kind = \"anthropic\", \"openai\" or \"google\"",
        )
        .and_then(|field| field.choice(&Provider::ALL.map(|kind| (kind, kind.as_str()))));
    let auth_field = section.optional("auth");
    let auth = match &auth_field {
        Some(field) => field.choice(&AUTHS),
        None => Some(Authorisation::ApiKey),
    };
    if let (
        Some(kind @ (Provider::Openai | Provider::Google)),
        Some(Authorisation::ClaudeToken),
        Some(field),
    ) = (kind, auth, &auth_field)
    {
        let kind = kind.as_str();
        field.note(
            format!("a token of Claude cannot pay for an account of kind {kind}"),
            "write auth = \"api_key\", or kind = \"anthropic\"",
        );
    }
    let base_url = match section.optional("base_url") {
        Some(field) => field.api_url(),
        None => kind.map(|kind| default_url(kind).to_owned()),
    };
    let secret = section
        .required(
            "secret_file",
            "write secret_file = \"FILE\": a file of mode 0600 that holds the key",
        )
        .and_then(|field| {
            let secret = field.token(ground.base, ground.state_dir, ground.files)?;
            Some(AccountSecret::new(field.path(ground.base)?, secret))
        });
    let patience = match section.optional("patience_seconds") {
        Some(field) => field.seconds(86_400),
        None => Some(PATIENCE),
    };
    let unpriced = match section.optional("price") {
        Some(field) => field.choice(&[(true, "none")]),
        None => Some(false),
    };
    section.finish();
    Some(AccountConfig {
        kind: kind?,
        auth: auth?,
        base_url: base_url?,
        secret: secret?,
        patience: patience?,
        unpriced: unpriced?,
    })
}

fn default_url(kind: Provider) -> &'static str {
    match kind {
        Provider::Anthropic => "https://api.anthropic.com",
        Provider::Openai => "https://api.openai.com",
        Provider::Google => "https://generativelanguage.googleapis.com",
    }
}

pub(super) fn coding_clis(
    root: &Section<'_, '_>,
    accounts: &[(AccountName, Option<AccountConfig>)],
) -> Named<CodingCliName, CodingCliConfig> {
    let entry = |(name, field): (Name<'_>, Field<'_, '_>)| {
        let cli = coding_cli(field.section(), accounts);
        Some((chosen(&name, &field)?, cli))
    };
    Named::new(root.entries("coding_cli").into_iter().map(entry).collect())
}

fn coding_cli(
    section: Section<'_, '_>,
    accounts: &[(AccountName, Option<AccountConfig>)],
) -> Option<CodingCliConfig> {
    let adapter = adapter(&section);
    let account = match section.optional("account") {
        Some(field) => account_of(&field, adapter, accounts).map(Some),
        None => {
            if let Some(adapter) = adapter
                && adapter.program().is_some()
            {
                section.note(
                    format!(
                        "{} spends, and has no account to spend from",
                        adapter.as_str()
                    ),
                    "add account = \"NAME\" and [accounts.NAME]",
                );
            }
            Some(None)
        }
    };
    let command = cli_command(&section, adapter);
    let needs_model = adapter.is_some_and(AdapterKind::needs_model);
    let model = match section.optional("model") {
        Some(field) => field.line(200).map(Some),
        None if needs_model => section.required("model", NEEDS_MODEL).and(None),
        None => Some(None),
    };
    let env = environment(&section);
    section.finish();
    Some(CodingCliConfig {
        adapter: adapter?,
        account: account?,
        command: command?,
        model: model?,
        env: env?,
    })
}

fn adapter(section: &Section<'_, '_>) -> Option<AdapterKind> {
    let words = AdapterKind::ALL.map(|(_, word)| word).join("\", \"");
    let field = section.required("adapter", &format!("write adapter = one of \"{words}\""))?;
    let text = field.text()?;
    if let Some((name, why)) = CANNOT.iter().find(|(name, _)| *name == text) {
        field.note(
            format!("{name} {why}"),
            "opencode, qwen, copilot and gemini can work here, with an API key of your own",
        );
        return None;
    }
    field.choice(&AdapterKind::ALL)
}

fn account_of(
    field: &Field<'_, '_>,
    adapter: Option<AdapterKind>,
    accounts: &[(AccountName, Option<AccountConfig>)],
) -> Option<AccountName> {
    let name: AccountName = field.name()?;
    let Some((_, account)) = accounts.iter().find(|(known, _)| *known == name) else {
        let known = accounts.iter().map(|(known, _)| known.as_str());
        let remedy = match meant(name.as_str(), known) {
            Some(known) => format!("did you mean \"{known}\"?"),
            None => format!("add [accounts.{name}]"),
        };
        field.note(format!("there is no account {name}"), remedy);
        return None;
    };
    let kind = account.as_ref().map(|account| account.kind);
    if let (Some(kind), Some(adapter)) = (kind, adapter)
        && !adapter.providers().contains(&kind)
    {
        let words: Vec<&str> = adapter.providers().iter().map(|p| p.as_str()).collect();
        field.note(
            format!("account {name} is of a provider that this adapter does not speak to"),
            format!("name an account with kind = \"{}\"", words.join("\" or \"")),
        );
        return None;
    }
    let token = account.as_ref().map(|account| account.auth) == Some(Authorisation::ClaudeToken);
    if let Some(adapter) = adapter.filter(|adapter| token && !adapter.takes_subscriptions()) {
        field.note(
            format!(
                "{} cannot work with the token of a subscription",
                adapter.as_str()
            ),
            "name an account with auth = \"api_key\"",
        );
        return None;
    }
    Some(name)
}

fn cli_command(section: &Section<'_, '_>, adapter: Option<AdapterKind>) -> Option<Vec<String>> {
    let default = adapter.and_then(AdapterKind::program);
    let remedy = "write command = [\"/path/of/program\", \"{prompt_file}\"]";
    let field = match (section.optional("command"), adapter, default) {
        (Some(field), _, _) => field,
        (None, _, Some(program)) => return Some(vec![program.to_owned()]),
        (None, Some(_), None) => section.required("command", remedy)?,
        (None, None, None) => return None,
    };
    let words = command(Some(&field))?;
    if words.is_empty() {
        field.note("is empty", remedy);
        return None;
    }
    Some(words)
}

fn environment(section: &Section<'_, '_>) -> Option<BTreeMap<String, String>> {
    let entry = |(name, field): (Name<'_>, Field<'_, '_>)| {
        let value = field.text()?;
        let named =
            name.text.bytes().enumerate().all(|(at, b)| {
                b == b'_' || b.is_ascii_alphabetic() || (at > 0 && b.is_ascii_digit())
            });
        if name.text.is_empty() || !named || value.contains('\0') {
            field.note_name(
                &name,
                "is no environment variable",
                "a name is letters, digits and _; a value has no NUL",
            );
            return None;
        }
        if is_secret(name.text, &value) {
            field.note_name(
                &name,
                "looks like a secret, and would be readable inside the container",
                "keys belong into [accounts]; other secrets into `cloud-code secret set`",
            );
            return None;
        }
        Some((name.text.to_owned(), value))
    };
    // Every entry is looked at, also after a mistake.
    let all: Vec<Option<(String, String)>> =
        section.entries("env").into_iter().map(entry).collect();
    all.into_iter().collect()
}

/// Whether a variable is one that holds a key, or a value has the form of one.
fn is_secret(name: &str, value: &str) -> bool {
    const FORMS: [&str; 8] = [
        "sk-",
        "AIza",
        "ghp_",
        "gho_",
        "ghs_",
        "github_pat_",
        "npm_",
        "glpat-",
    ];
    let words: BTreeSet<&str> = name.split('_').collect();
    let named = !value.is_empty()
        && (name.ends_with("API_KEY")
            || words.contains("PASSWORD")
            || words.contains("SECRET")
            || name.ends_with("_TOKEN"));
    named || (value.len() > 20 && FORMS.iter().any(|form| value.starts_with(form)))
}

/// Dollars per million tokens.
pub(super) fn prices(root: &Section<'_, '_>) -> Option<BTreeMap<String, Price>> {
    let entry = |(name, field): (Name<'_>, Field<'_, '_>)| {
        let section = field.section();
        let amount = |key| {
            section
                .required(key, "write dollars per million tokens, for example 3.00")
                .and_then(|field| field.dollars(true))
        };
        let price = (
            amount("input"),
            amount("output"),
            amount("cache_read"),
            amount("cache_write"),
        );
        section.finish();
        if name.text.trim().is_empty() || name.text.len() > 200 {
            field.note_name(
                &name,
                "is no name of a model",
                "write [prices.\"MODEL\"] as the provider calls it",
            );
            return None;
        }
        let (input, output, cache_read, cache_write) = price;
        let price = Price {
            input: input?,
            output: output?,
            cache_read: cache_read?,
            cache_write: cache_write?,
        };
        Some((name.text.to_owned(), price))
    };
    // Every entry is looked at, also after a mistake.
    let all: Vec<Option<(String, Price)>> = root.entries("prices").into_iter().map(entry).collect();
    all.into_iter().collect()
}
