//! A model call at the loopback gateway: plain HTTP/1.1 over a socket.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

/// Why a call failed, in the words of the scripted CLI's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: &'static str,
    pub(super) text: String,
}

/// Times that a call is made before it is given up, as other coding CLIs do where no answer came.
const TRIES: u32 = 8;

/// Calls the model; what it answered, in a line. `pause` waits before a call is made again.
pub(super) fn spend_patiently(
    model: &str,
    tokens: u32,
    about: &str,
    pause: impl Fn(Duration),
) -> Result<String, Failure> {
    let mut answer = spend(model, tokens, about);
    for number in 1..TRIES {
        match &answer {
            Err(failure) if ["network", "server"].contains(&failure.kind) => {
                pause(Duration::from_millis(100 * u64::from(number)));
                answer = spend(model, tokens, about);
            }
            Ok(_) | Err(_) => break,
        }
    }
    answer
}

/// Calls the model once; what it answered, in a line.
fn spend(model: &str, tokens: u32, about: &str) -> Result<String, Failure> {
    let Some(call) = Call::from_environment(model) else {
        return Ok("there is no account: nothing was spent".to_owned());
    };
    let prompt = format!("Think about: {about}");
    let body = if call.to_google {
        json!({
            "contents": [{ "role": "user", "parts": [{ "text": prompt }] }],
            "generationConfig": { "maxOutputTokens": tokens },
        })
    } else {
        json!({
            "model": model,
            "max_tokens": tokens,
            "messages": [{ "role": "user", "content": prompt }],
        })
    };
    let answer = call.post(&body.to_string()).map_err(|error| Failure {
        kind: "network",
        text: format!("the gateway cannot be reached: {error}"),
    })?;
    let (status, body) = parse(&answer).ok_or_else(|| Failure {
        kind: "server",
        text: "the gateway's answer is no HTTP".to_owned(),
    })?;
    if status == 200 {
        return Ok(format!("{model} answered"));
    }
    let text: String = body.chars().take(600).collect();
    Err(Failure {
        kind: kind(status, &body),
        text: format!("the model call failed with {status}: {text}"),
    })
}

/// Where to, and how authorised.
struct Call {
    url: String,
    header: String,
    to_google: bool,
}

impl Call {
    fn from_environment(model: &str) -> Option<Self> {
        let var = |name| std::env::var(name).ok();
        if let Some(base) = var("GOOGLE_GEMINI_BASE_URL") {
            let key = var("GEMINI_API_KEY")?;
            return Some(Self {
                url: format!("{base}/v1beta/models/{model}:generateContent?key={key}"),
                header: "accept: application/json".to_owned(),
                to_google: true,
            });
        }
        if let Some(base) = var("ANTHROPIC_BASE_URL") {
            let header = match var("ANTHROPIC_API_KEY") {
                Some(key) => format!("x-api-key: {key}"),
                None => format!("authorization: Bearer {}", var("ANTHROPIC_AUTH_TOKEN")?),
            };
            return Some(Self {
                url: format!("{base}/v1/messages"),
                header: format!("{header}\r\nanthropic-version: 2023-06-01"),
                to_google: false,
            });
        }
        Some(Self {
            url: format!("{}/chat/completions", var("OPENAI_BASE_URL")?),
            header: format!("authorization: Bearer {}", var("OPENAI_API_KEY")?),
            to_google: false,
        })
    }

    fn post(&self, body: &str) -> io::Result<Vec<u8>> {
        let bad = || io::Error::other(format!("{} is no address", self.url));
        let rest = self.url.strip_prefix("http://").ok_or_else(bad)?;
        let (host, path) = rest.split_once('/').ok_or_else(bad)?;
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(Duration::from_secs(600)))?;
        let request = format!(
            "POST /{path} HTTP/1.1\r\nhost: {host}\r\n{}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.header,
            body.len(),
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// Status and body.
fn parse(answer: &[u8]) -> Option<(u16, String)> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

fn kind(status: u16, body: &str) -> &'static str {
    let body = body.to_lowercase();
    let quota = ["credit balance", "usage limit", "quota", "billing"];
    if quota.iter().any(|word| body.contains(word)) {
        return "quota";
    }
    match status {
        401 | 403 => "auth",
        402 => "quota",
        404 => "model_not_found",
        429 => "rate_limit",
        503 | 529 => "overloaded",
        500.. => "server",
        _ => "bad_request",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_what_kind_of_failure_it_is() {
        assert_eq!(kind(400, "Your credit balance is too low"), "quota");
        assert_eq!(kind(429, "insufficient_quota"), "quota");
        assert_eq!(kind(429, "slow down"), "rate_limit");
        assert_eq!(kind(401, "invalid x-api-key"), "auth");
        assert_eq!(kind(400, "no such field"), "bad_request");
        assert_eq!(kind(529, ""), "overloaded");
    }

    #[test]
    fn an_answer_is_parsed_or_refused() {
        let answer = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\n\r\n{}";
        assert_eq!(parse(answer), Some((429, "{}".to_owned())));
        assert_eq!(parse(b""), None);
    }
}
