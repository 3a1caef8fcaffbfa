//! What goes over the wire: a call as it is sent, an answer as it came.

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, ETAG, IF_NONE_MATCH, LINK, LOCATION,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::limiter::Resource;
use super::trouble::{Access, Failure};

/// GitHub's largest page.
const PER_PAGE: usize = 100;
const API_VERSION: &str = "2022-11-28";

/// A call to make.
#[derive(Debug, Clone)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<String>,
    pub(super) if_none_match: Option<&'a str>,
    pub(super) resource: Resource,
    pub(super) access: Access,
}

impl Call<'_> {
    pub(super) fn named(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{} {path}", self.method)
    }
}

/// A good answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Reply {
    /// GitHub's clock in seconds, or ours where it does not say.
    pub(super) fn date(&self) -> i64 {
        date(&self.headers)
    }

    /// Where the next page begins: the parameters that GitHub's link adds to ours, since some lists
    /// go by number and some by cursor. A full page without a link is followed by the next number; more
    /// than a page without one is all there is, from a server that knows no pages.
    pub(super) fn next_place(
        &self,
        query: &[(&str, &str)],
        page: usize,
        items: usize,
    ) -> Option<String> {
        let links = self.headers.get(LINK).and_then(|link| link.to_str().ok());
        let Some(linked) = links.and_then(next_of) else {
            return (items == PER_PAGE).then(|| format!("page={}", page + 1));
        };
        let theirs = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default();
            name != "per_page" && query.iter().all(|(ours, _)| *ours != name)
        };
        let place: Vec<&str> = linked.split('&').filter(theirs).collect();
        Some(place.join("&"))
    }
}

pub(super) fn request(
    call: &Call<'_>,
    token: &SecretString,
) -> Result<Request<octocrab::OctoBody>, Failure> {
    let bearer = zeroize::Zeroizing::new(format!("Bearer {}", token.expose_secret()));
    let mut authorization = HeaderValue::from_str(&bearer)
        .map_err(|_| Failure::refused("the token holds characters that no token has".to_owned()))?;
    authorization.set_sensitive(true);
    let mut request = Request::builder()
        .method(call.method.clone())
        .uri(&call.path)
        .header(AUTHORIZATION, authorization)
        .header(ACCEPT, "application/vnd.github+json")
        .header("x-github-api-version", API_VERSION);
    if let Some(tag) = call.if_none_match {
        request = request.header(IF_NONE_MATCH, tag);
    }
    let request = match &call.body {
        Some(body) => request
            .header(CONTENT_TYPE, "application/json")
            .body(octocrab::OctoBody::from(body.clone())),
        None => request.body(octocrab::OctoBody::empty()),
    };
    request.map_err(|error| Failure::refused(format!("{}: {error}", call.named())))
}

pub(super) fn encode<B: Serialize>(body: &B) -> Result<String, Failure> {
    serde_json::to_string(body).map_err(|error| Failure::refused(error.to_string()))
}

pub(super) fn decode<T: DeserializeOwned>(call: &Call<'_>, reply: &Reply) -> Result<T, Failure> {
    serde_json::from_slice(&reply.body).map_err(|error| {
        let what = format!(
            "{}: the answer is not what GitHub documents: {error}",
            call.named()
        );
        Failure::lost(call.access, what)
    })
}

pub(super) fn tag(reply: &Reply) -> Option<String> {
    Some(reply.headers.get(ETAG)?.to_str().ok()?.to_owned())
}

/// Where a question is answered by now, below `base`; none where the answer is one, or names another
/// server: our token is for this one.
pub(super) fn moved(call: &Call<'_>, reply: &Reply, base: &Uri) -> Option<String> {
    if call.method != Method::GET || !reply.status.is_redirection() {
        return None;
    }
    let location: Uri = reply.headers.get(LOCATION)?.to_str().ok()?.parse().ok()?;
    let is_here = location.authority().is_none()
        || (location.authority(), location.scheme()) == (base.authority(), base.scheme());
    let path = location.path_and_query()?.as_str();
    let below = path.strip_prefix(base.path().trim_end_matches('/'))?;
    (is_here && below.starts_with('/')).then(|| below.to_owned())
}

fn date(headers: &HeaderMap) -> i64 {
    headers
        .get(DATE)
        .and_then(|date| date.to_str().ok())
        .and_then(|date| jiff::fmt::rfc2822::parse(date).ok())
        .map_or_else(
            || jiff::Timestamp::now().as_second(),
            |date| date.timestamp().as_second(),
        )
}

/// The query of the address with `rel="next"`.
fn next_of(links: &str) -> Option<&str> {
    let next = links
        .split(',')
        .find(|link| link.contains("rel=\"next\"") || link.trim_end().ends_with("rel=next"))?;
    let (_, address) = next.split_once('<')?;
    let (address, _) = address.split_once('>')?;
    Some(address.split_once('?')?.1)
}

pub(super) fn page_query(query: &[(&str, &str)], place: &str) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for (name, value) in query {
        // Writing to a string does not fail.
        let _written = write!(text, "{name}={}&", encoded(value));
    }
    let _written = write!(text, "per_page={PER_PAGE}&{place}");
    text
}

/// Percent-encodes all but what may stand anywhere in an address.
pub(super) fn encoded(text: &str) -> String {
    use std::fmt::Write;
    let mut address = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            address.push(char::from(byte));
        } else {
            let _written = write!(address, "%{byte:02X}");
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_never_leaves_its_place_in_the_address() {
        assert_eq!(
            encoded("a/../b?c=d&e#f g"),
            "a%2F..%2Fb%3Fc%3Dd%26e%23f%20g"
        );
        assert_eq!(
            page_query(&[("labels", "a&b")], "page=2"),
            "labels=a%26b&per_page=100&page=2"
        );
    }

    #[test]
    fn the_next_page_begins_where_the_link_says_and_is_asked_of_nobody_else() {
        let reply = |link: Option<&'static str>| Reply {
            status: StatusCode::OK,
            headers: link
                .map(|link| (LINK, HeaderValue::from_static(link)))
                .into_iter()
                .collect(),
            body: Bytes::new(),
        };
        let next = |link, items| reply(link).next_place(&[("state", "all")], 1, items);
        assert_eq!(next(None, 99), None);
        assert_eq!(next(None, 100).as_deref(), Some("page=2"));
        assert_eq!(next(None, 101), None);
        let last = "<https://x/i?page=1>; rel=\"prev\", <https://x/i?page=1>; rel=\"first\"";
        assert_eq!(next(Some(last), 30), None);
        let by_cursor = "<https://elsewhere/i?state=open&per_page=30&after=Y3Vy%3D&page=2>; \
                         rel=\"next\", <https://x/i?page=9>; rel=\"last\"";
        assert_eq!(
            next(Some(by_cursor), 30).as_deref(),
            Some("after=Y3Vy%3D&page=2")
        );
    }

    #[test]
    fn a_question_is_followed_at_its_own_server_and_a_write_nowhere() {
        let moved_to = |method, status, location: &'static str| {
            let call = Call {
                method,
                path: "/repos/a/b/issues/1".to_owned(),
                body: None,
                if_none_match: None,
                resource: Resource::Core,
                access: Access::Read,
            };
            let reply = Reply {
                status,
                headers: HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(location))]),
                body: Bytes::new(),
            };
            moved(&call, &reply, &Uri::from_static("https://x/api/v3/"))
        };
        let by_get = |location| moved_to(Method::GET, StatusCode::MOVED_PERMANENTLY, location);
        let there = Some("/repositories/7/issues/1?a=b".to_owned());
        assert_eq!(
            by_get("https://x/api/v3/repositories/7/issues/1?a=b"),
            there
        );
        assert_eq!(by_get("/api/v3/repositories/7/issues/1?a=b"), there);
        for elsewhere in [
            "http://x/api/v3/repositories/7",
            "https://y/api/v3/repositories/7",
            "https://x/login",
            "//y/api/v3/repositories/7",
            "repositories/7",
            "",
        ] {
            assert_eq!(by_get(elsewhere), None, "{elsewhere}");
        }
        let written = moved_to(Method::POST, StatusCode::TEMPORARY_REDIRECT, "/api/v3/a");
        assert_eq!(written, None);
        assert_eq!(moved_to(Method::GET, StatusCode::OK, "/api/v3/a"), None);
    }

    #[test]
    fn githubs_clock_is_read_from_the_answer() {
        let mut headers = HeaderMap::new();
        headers.insert(
            DATE,
            HeaderValue::from_static("Thu, 01 Jan 1970 00:01:40 GMT"),
        );
        assert_eq!(date(&headers), 100);
    }
}
