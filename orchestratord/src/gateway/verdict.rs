//! What an error of a provider means for the account: nothing, a usage limit, or a dead secret.
//!
//! A limit that is over in a moment is the coding CLI's to wait for. One whose end is far would
//! have it wait for hours in silence, or try hundreds of times: then the account is parked and the
//! turn ended.

use std::time::Duration;

use cloud_code_domain::account::Parking;
use cloud_code_domain::time::Timestamp;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

/// How long an account is parked whose provider names no time: somebody has to pay first, and that
/// is looked at again after this.
const UNNAMED: Duration = Duration::from_secs(60 * 60);
/// No limit lasts longer; whatever says so is wrong.
const LONGEST: Duration = Duration::from_secs(8 * 24 * 60 * 60);

/// Codes and types of errors that say "no more money" or "no more of your plan".
const QUOTA: [&str; 6] = [
    "insufficient_quota",
    "billing_error",
    "billing_hard_limit_reached",
    "billing_not_active",
    "usage_limit_reached",
    "usage_not_included",
];
/// The same in words.
const QUOTA_WORDS: [&str; 6] = [
    "credit balance is too low",
    "exceeded your current quota",
    "usage limit reached",
    "usage limit has been reached",
    "credits are depleted",
    "spending cap",
];

/// Reasons that Google gives for refusing a key; with 400 or 403.
const BAD_KEY: [&str; 2] = ["API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED"];
/// When Google's limits of a day end: at midnight in California, here without its summer time, so that
/// it is never too early.
const GOOGLES_MIDNIGHT: i64 = 8 * 60 * 60;
const DAY: i64 = 24 * 60 * 60;

/// Whether an error of the provider parks the account, and how. A limit that is over within
/// `patience` does not.
pub(crate) fn parking(
    status: StatusCode,
    headers: &HeaderMap,
    body: &Value,
    patience: Duration,
    now: Timestamp,
) -> Option<Parking> {
    let error = error_of(body);
    if status == StatusCode::UNAUTHORIZED
        || (status.is_client_error() && error.is_some_and(refuses_the_key))
    {
        return Some(Parking::LogInAgain);
    }
    if status == StatusCode::TOO_MANY_REQUESTS
        && let Some(until) = error.and_then(|error| googles_limit(error, now))
    {
        return (until.since(now) > patience).then(|| limit(until, now));
    }
    let quota = error.is_some_and(is_quota) || status == StatusCode::PAYMENT_REQUIRED;
    if quota && status.is_client_error() {
        let until = reset(headers, error, now).unwrap_or_else(|| now.after(UNNAMED));
        return Some(limit(until, now));
    }
    if status == StatusCode::FORBIDDEN {
        // Without the provider's own error it is some box on the way that forbids; and a model
        // that the account may not use says nothing about the account.
        return error
            .filter(|error| error.is_object() && !is_about_a_model(error))
            .map(|_| Parking::LogInAgain);
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        let until = reset(headers, error, now)?;
        return (until.since(now) > patience).then(|| limit(until, now));
    }
    None
}

/// Whether an error that came in the middle of a stream parks the account.
pub(crate) fn parking_in_stream(error: &Value, now: Timestamp) -> Option<Parking> {
    is_quota(error).then(|| {
        let until = reset(&HeaderMap::new(), Some(error), now);
        limit(until.unwrap_or_else(|| now.after(UNNAMED)), now)
    })
}

/// The error in an answer. Google puts it into an array where a stream was asked for.
pub(crate) fn error_of(body: &Value) -> Option<&Value> {
    body.get(0).unwrap_or(body).get("error")
}

fn refuses_the_key(error: &Value) -> bool {
    details(error).any(|detail| {
        let reason = detail.get("reason").and_then(Value::as_str);
        reason.is_some_and(|reason| BAD_KEY.contains(&reason))
    })
}

/// What Google says besides its words.
fn details(error: &Value) -> impl Iterator<Item = &Value> {
    error
        .get("details")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// When one of Google's limits is over. Its words are the same for those of a minute, of a day and of
/// an account without money: only the details tell. Of a limit of a day it says that one should come
/// back in some seconds.
fn googles_limit(error: &Value, now: Timestamp) -> Option<Timestamp> {
    let violations = details(error)
        .filter_map(|detail| detail.get("violations")?.as_array())
        .flatten();
    let quotas: Vec<&str> = violations
        .filter_map(|violation| violation.get("quotaId")?.as_str())
        .collect();
    if quotas.iter().any(|quota| quota.contains("PerDay")) {
        let today = now.0.div_euclid(1_000) - GOOGLES_MIDNIGHT;
        let midnight = (today.div_euclid(DAY) + 1) * DAY + GOOGLES_MIDNIGHT;
        return epoch(midnight);
    }
    let delay = details(error)
        .filter_map(|detail| detail.get("retryDelay")?.as_str()?.strip_suffix('s'))
        .filter_map(|seconds| Duration::try_from_secs_f64(seconds.parse().ok()?).ok())
        .max();
    // A limit of a minute is over in one.
    delay
        .or_else(|| (!quotas.is_empty()).then_some(Duration::from_secs(60)))
        .map(|delay| now.after(delay))
}

fn limit(until: Timestamp, now: Timestamp) -> Parking {
    Parking::UsageLimit {
        until: until.min(now.after(LONGEST)),
    }
}

fn is_quota(error: &Value) -> bool {
    let says = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
    QUOTA.contains(&says("type"))
        || QUOTA.contains(&says("code"))
        || QUOTA_WORDS.iter().any(|words| {
            says("message")
                .get(..400)
                .unwrap_or(says("message"))
                .to_ascii_lowercase()
                .contains(words)
        })
}

fn is_about_a_model(error: &Value) -> bool {
    let says = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
    says("code").contains("model") || says("message").contains("access to model")
}

/// When the limit is over, by whatever of the answer says it; the latest of what is said.
fn reset(headers: &HeaderMap, error: Option<&Value>, now: Timestamp) -> Option<Timestamp> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let number = |key: &str| error?.get(key)?.as_i64();
    [
        header(RETRY_AFTER.as_str()).and_then(|text| wait(text, now)),
        header("anthropic-ratelimit-unified-reset").and_then(|text| epoch(text.parse().ok()?)),
        number("resets_at").and_then(epoch),
        number("resets_in_seconds").and_then(|seconds| in_seconds(seconds, now)),
        // "Claude AI usage limit reached|1767240000"
        error
            .and_then(|error| error.get("message")?.as_str()?.rsplit_once('|'))
            .and_then(|(_, seconds)| epoch(seconds.trim().parse().ok()?)),
    ]
    .into_iter()
    .flatten()
    .max()
}

/// `Retry-After`: seconds or a date.
fn wait(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(seconds) = text.trim().parse::<f64>() {
        return Duration::try_from_secs_f64(seconds)
            .ok()
            .map(|wait| now.after(wait));
    }
    let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(Timestamp(at.timestamp().as_millisecond()))
}

fn epoch(seconds: i64) -> Option<Timestamp> {
    (seconds > 0).then(|| Timestamp(seconds.saturating_mul(1_000)))
}

fn in_seconds(seconds: i64, now: Timestamp) -> Option<Timestamp> {
    let seconds = u64::try_from(seconds).ok()?;
    Some(now.after(Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use serde_json::json;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(300);
    const NOW: Timestamp = Timestamp(1_767_225_600_000); // 2026-01-01T00:00:00Z

    fn judged(
        status: u16,
        header: Option<(&'static str, &'static str)>,
        body: &Value,
    ) -> Option<Parking> {
        let headers = header
            .into_iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        parking(
            StatusCode::from_u16(status).unwrap(),
            &headers,
            body,
            PATIENCE,
            NOW,
        )
    }

    fn until(seconds: i64) -> Option<Parking> {
        let until = Timestamp(NOW.0 + seconds * 1_000);
        Some(Parking::UsageLimit { until })
    }

    #[test]
    fn a_limit_that_ends_soon_is_the_clis_to_wait_for() {
        let limited = json!({"error": {"type": "rate_limit_error", "message": "slow down"}});
        assert_eq!(judged(429, None, &limited), None);
        for near in [
            "1",
            "0.5",
            "300",
            "Thu, 01 Jan 2026 00:05:00 GMT",
            "nonsense",
            "-1",
        ] {
            assert_eq!(judged(429, Some(("retry-after", near)), &limited), None);
        }
    }

    #[test]
    fn a_limit_that_ends_late_parks_the_account_until_then() {
        let limited = json!({"error": {"type": "rate_limit_error"}});
        assert_eq!(
            judged(429, Some(("retry-after", "3600")), &limited),
            until(3_600)
        );
        let date = ("retry-after", "Thu, 01 Jan 2026 04:00:00 GMT");
        assert_eq!(judged(429, Some(date), &limited), until(4 * 3_600));
        let unified = ("anthropic-ratelimit-unified-reset", "1767240000");
        assert_eq!(judged(429, Some(unified), &limited), until(4 * 3_600));
        let plan = json!({"error": {"type": "usage_limit_reached", "resets_in_seconds": 7_200}});
        assert_eq!(judged(429, None, &plan), until(7_200));
        let words = json!({"error": {"message": "Claude AI usage limit reached|1767240000"}});
        assert_eq!(judged(429, None, &words), until(4 * 3_600));
    }

    #[test]
    fn an_account_without_money_is_looked_at_again_in_an_hour() {
        for (status, body) in [
            (
                429,
                json!({"error": {"status": "RESOURCE_EXHAUSTED", "message": "Your prepayment credits are depleted."}}),
            ),
            (
                429,
                json!([{"error": {"message": "You exceeded your current quota", "details": []}}]),
            ),
            (429, json!({"error": {"type": "insufficient_quota"}})),
            (429, json!({"error": {"code": "insufficient_quota"}})),
            (
                400,
                json!({"error": {"message": "Your credit balance is too low to access"}}),
            ),
            (402, json!({})),
        ] {
            assert_eq!(judged(status, None, &body), until(3_600), "{body}");
        }
        let error = json!({"code": "insufficient_quota"});
        assert_eq!(parking_in_stream(&error, NOW), until(3_600));
        assert_eq!(
            parking_in_stream(&json!({"code": "server_error"}), NOW),
            None
        );
    }

    #[test]
    fn a_reset_beyond_all_sense_is_cut() {
        let body = json!({"error": {"type": "usage_limit_reached", "resets_at": i64::MAX}});
        assert_eq!(judged(429, None, &body), until(8 * 24 * 3_600));
    }

    #[test]
    fn googles_limits_are_told_apart_by_their_details_and_not_by_their_words() {
        let told = |details: Value| {
            let message = "You exceeded your current quota, please check your plan";
            let error = json!({"code": 429, "status": "RESOURCE_EXHAUSTED", "message": message,
                "details": details});
            let (whole, streamed) = (json!({"error": error}), json!([{"error": error}]));
            let judged_whole = judged(429, None, &whole);
            assert_eq!(judged(429, None, &streamed), judged_whole);
            judged_whole
        };
        let quota = |id: &str| json!({"@type": "QuotaFailure", "violations": [{"quotaId": id}]});
        let retry = |delay: &str| json!({"@type": "RetryInfo", "retryDelay": delay});
        // NOW is four in the afternoon in California.
        for (details, parked) in [
            (
                json!([quota("RequestsPerMinutePerProject"), retry("32.5s")]),
                None,
            ),
            (json!([quota("RequestsPerMinutePerProject")]), None),
            (json!([retry("300s")]), None),
            (json!([retry("3600s")]), until(3_600)),
            (
                json!([quota("RequestsPerDayPerProject"), retry("17s")]),
                until(8 * 3_600),
            ),
            (
                json!([retry("soon"), retry("-1s"), retry("1e99s"), 7]),
                until(3_600),
            ),
            (json!([retry("1e15s")]), until(8 * 24 * 3_600)),
        ] {
            assert_eq!(told(details.clone()), parked, "{details}");
        }
    }

    #[test]
    fn a_refused_secret_waits_for_the_operator() {
        let reason =
            |reason: &str| json!({"error": {"message": "no", "details": [{"reason": reason}]}});
        let invalid = reason("API_KEY_INVALID");
        assert_eq!(judged(400, None, &invalid), Some(Parking::LogInAgain));
        assert_eq!(
            judged(400, None, &json!([invalid])),
            Some(Parking::LogInAgain)
        );
        assert_eq!(judged(400, None, &reason("BADLY_PUT")), None);
        let denied = json!({"error": {"type": "permission_error", "message": "disabled"}});
        assert_eq!(judged(401, None, &Value::Null), Some(Parking::LogInAgain));
        assert_eq!(judged(403, None, &denied), Some(Parking::LogInAgain));
        let model = json!({"error": {"code": "model_not_found", "message": "no"}});
        assert_eq!(judged(403, None, &model), None);
        assert_eq!(judged(403, None, &Value::Null), None);
    }

    #[test]
    fn other_errors_say_nothing_about_the_account() {
        let body = json!({"error": {"type": "api_error", "message": "usage"}});
        for status in [400, 404, 413, 500, 502, 503, 529] {
            assert_eq!(judged(status, Some(("retry-after", "3600")), &body), None);
        }
    }
}
