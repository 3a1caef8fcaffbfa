//! Calls of Google's API.

use cloud_code_domain::cost::{Tokens, Usage};
use futures_util::StreamExt as _;
use http::StatusCode;
use http::header::HeaderValue;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::super::meter::Basis;
use super::model::{answer, error, events};
use super::*;

const WHOLE: &str = "/model/google/v1beta/models/model-1:generateContent";
const STREAM: &str = "/model/google/v1beta/models/model-1:streamGenerateContent";

const START: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hm\"}]}}],\
    \"usageMetadata\":{\"promptTokenCount\":1100,\"cachedContentTokenCount\":1000}}\r\n\r\n";
const END: &str = "data: {\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{\
    \"promptTokenCount\":1100,\"cachedContentTokenCount\":1000,\"candidatesTokenCount\":12,\
    \"thoughtsTokenCount\":8}}\r\n\r\n";

const USED: Usage = Usage {
    input: 100,
    output: 20,
    cache_read: 1_000,
    cache_write: 0,
};

fn contents() -> Value {
    json!({
        "contents": [{"role": "user", "parts": [{"text": "hello"}]}],
        "generationConfig": {"maxOutputTokens": 1_000},
    })
}

async fn google(reply: impl Fn() -> Response + Clone + Send + Sync + 'static) -> (World, Model) {
    let model = Model::new(reply).await;
    (World::new(account(Provider::Google, &model.base)), model)
}

/// A provider that streams what it is given, as this kind.
async fn in_pieces(kind: &'static str) -> (World, Model, mpsc::Sender<std::io::Result<Bytes>>) {
    let (pieces, waiting) = mpsc::channel(1);
    let waiting = Arc::new(Mutex::new(Some(waiting)));
    let (world, model) = google(move || {
        let waiting = waiting.lock().unwrap().take().unwrap();
        answer(200, kind, Body::from_stream(ReceiverStream::new(waiting)))
    })
    .await;
    (world, model, pieces)
}

/// Presents the token in one of the places where programs put it.
async fn presented(world: &World, query: &str, header: Option<(&str, &str)>) -> Response {
    let mut request = http::Request::post(format!("{STREAM}{query}"));
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let request = request.body(Body::from(contents().to_string())).unwrap();
    world.door.router().oneshot(request).await.unwrap()
}

#[tokio::test]
async fn the_token_is_exchanged_for_the_key_wherever_it_is_presented() {
    let bearer = format!("Bearer {TOKEN}");
    for (query, header) in [
        ("?alt=sse".to_owned(), Some(("x-goog-api-key", TOKEN))),
        (
            "?alt=sse".to_owned(),
            Some(("authorization", bearer.as_str())),
        ),
        (format!("?key={TOKEN}&alt=sse&fields=x"), None),
    ] {
        let (world, model) = google(|| events(format!("{START}{END}"))).await;
        let response = presented(&world, &query, header).await;
        assert_eq!(text(response).await, format!("{START}{END}"));
        let charge = Charge {
            model: "model-1".to_owned(),
            usage: USED,
            cost: MicroUsd(100 + 200 + 100),
            tokens: Tokens(120),
            basis: Basis::Metered,
        };
        assert_eq!(world.engine.charges(1).await, [charge]);
        let seen = model.seen();
        let there = "/v1beta/models/model-1:streamGenerateContent?alt=sse";
        assert_eq!(seen[0].uri, there);
        assert_eq!(seen[0].headers["x-goog-api-key"], KEY);
        assert!(!format!("{seen:?}").contains(TOKEN));
    }
}

#[tokio::test]
async fn who_presents_no_token_or_the_key_itself_reaches_nobody() {
    let (world, model) = google(|| events("")).await;
    for (query, header) in [
        (String::new(), None),
        (format!("?key={KEY}"), None),
        (format!("?key=other&key={TOKEN}"), None),
        (format!("?token={TOKEN}"), None),
        (String::new(), Some(("x-goog-api-key", KEY))),
    ] {
        let response = presented(&world, &query, header).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{query}");
        let told: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(told["error"]["status"], "PERMISSION_DENIED");
        assert_eq!(told["error"]["code"], 403);
    }
    assert!(model.seen().is_empty() && world.engine.ceilings.lock().unwrap().is_empty());
}

#[tokio::test]
async fn every_piece_of_googles_reaches_the_agent_before_the_next_one_exists() {
    let (world, _model, pieces) = in_pieces("text/event-stream").await;
    pieces.send(Ok(START.into())).await.unwrap();
    let response = world.post(&format!("{STREAM}?alt=sse"), &contents()).await;
    let mut body = response.into_body().into_data_stream();
    assert_eq!(body.next().await.unwrap().unwrap(), START);
    pieces.send(Ok(END.into())).await.unwrap();
    assert_eq!(body.next().await.unwrap().unwrap(), END);
    drop(pieces);
    assert!(body.next().await.is_none());
    assert_eq!(world.engine.charges(1).await[0].usage, USED);
}

#[tokio::test]
async fn an_array_that_grows_is_passed_on_and_charged_as_it_grows() {
    let data = |event: &str| event.trim().trim_start_matches("data: ").to_owned();
    let (first, last) = (format!("[{}\n", data(START)), format!(",\n{}]", data(END)));
    for cut in [false, true] {
        let (world, model, pieces) = in_pieces("application/json; charset=UTF-8").await;
        pieces.send(Ok(first.clone().into())).await.unwrap();
        let response = world.post(STREAM, &contents()).await;
        let mut body = response.into_body().into_data_stream();
        assert_eq!(body.next().await.unwrap().unwrap(), first);
        let next = if cut {
            Err(std::io::Error::other("cut"))
        } else {
            Ok(last.clone().into())
        };
        pieces.send(next).await.unwrap();
        drop(pieces);
        assert_eq!(body.next().await.unwrap().is_err(), cut);
        let charge = world.engine.charges(1).await.remove(0);
        assert_eq!(model.seen()[0].uri.query(), None);
        let (basis, output) = if cut {
            // All that can have been written, after what was said of the input.
            (Basis::Ceiling, 0)
        } else {
            (Basis::Metered, 20)
        };
        assert_eq!(charge.basis, basis);
        assert_eq!(charge.usage, Usage { output, ..USED });
        assert!(!cut || charge.tokens == Tokens(100 + 1_000), "{charge:?}");
    }
}

#[tokio::test]
async fn money_that_runs_out_stops_a_turn_in_googles_words() {
    let whole = r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3}}"#;
    let (world, model) = google(move || answer(200, "application/json", whole)).await;
    assert_eq!(text(world.post(WHOLE, &contents()).await).await, whole);
    assert_eq!(world.engine.charges(1).await[0].cost, MicroUsd(37));
    let ceiling = world.engine.ceilings.lock().unwrap()[0].clone();
    assert!((10_050..10_500).contains(&ceiling.cost.0), "{ceiling:?}");
    *world.engine.at_reserve.lock().unwrap() = Some(Refusal::CostLimit);
    let response = world.post(WHOLE, &contents()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let told: Value = serde_json::from_str(&text(response).await).unwrap();
    let message = told["error"]["message"].as_str().unwrap();
    assert!(message.contains("credit balance is too low") && message.contains("cost limit"));
    assert_eq!(told["error"]["status"], "INVALID_ARGUMENT");
    assert_eq!(model.seen().len(), 1);
}

#[tokio::test]
async fn a_key_that_google_refuses_parks_the_account_also_where_the_status_is_400() {
    let invalid = r#"{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT",
        "details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}"#;
    let leaked = r#"{"code":403,"message":"Your API key was reported as leaked","status":"PERMISSION_DENIED"}"#;
    for (status, error_of) in [(400, invalid), (403, leaked)] {
        for body in [
            format!(r#"{{"error":{error_of}}}"#),
            format!(r#"[{{"error":{error_of}}}]"#),
        ] {
            let (world, _model) = google(move || error(status, None, &body)).await;
            let response = world.post(STREAM, &contents()).await;
            assert!(text(response).await.contains("credit balance is too low"));
            let parked = world.engine.parkings.lock().unwrap().clone();
            assert_eq!(parked, [Parking::LogInAgain]);
            assert_eq!(world.engine.charges(1).await[0].basis, Basis::Refused);
        }
    }
}

#[tokio::test]
async fn a_limit_of_a_minute_is_passed_on_and_one_of_a_day_parks_the_account() {
    let limited = |quota: &str| {
        format!(
            r#"{{"error":{{"code":429,"status":"RESOURCE_EXHAUSTED","message":"You exceeded your current quota","details":[
            {{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{{"quotaId":"{quota}"}}]}},
            {{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"31s"}}]}}}}"#
        )
    };
    let minute = limited("GenerateRequestsPerMinutePerProjectPerModel");
    let body = minute.clone();
    let (world, _model) = google(move || error(429, None, &body)).await;
    let response = world.post(STREAM, &contents()).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(text(response).await, minute);
    assert!(world.engine.parkings.lock().unwrap().is_empty());
    let day = limited("GenerateRequestsPerDayPerProjectPerModel");
    let (world, _model) = google(move || error(429, None, &day)).await;
    let response = world.post(STREAM, &contents()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let parked = world.engine.parkings.lock().unwrap().clone();
    assert!(matches!(parked[..], [Parking::UsageLimit { .. }]));
}

#[tokio::test]
async fn no_path_no_query_and_no_header_sends_the_key_elsewhere() {
    let trap = Trap::new().await;
    let url = format!("http://{}/x", trap.address);
    let whole = r#"{"candidates":[{"finishReason":"STOP"}]}"#;
    let (world, model) = google(move || answer(200, "application/json", whole)).await;
    for path in [
        "/model/google/v1beta/models/..%2f..%2fx:generateContent",
        "/model/google/v1beta/models/@evil.example:generateContent",
        "/model/google/v1beta/files",
        "/model/google/v1beta/cachedContents",
        "/model/google/v1beta/models/model-1:batchGenerateContent",
    ] {
        let response = world.post(path, &contents()).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let mut body = contents();
    let file = json!({"fileData": {"fileUri": url}, "file_data": {"file_uri": url}});
    body["contents"][0]["parts"] = json!([file, {"text": "look"}]);
    body["tools"] = json!([{"urlContext": {}}, {"google_search": {}},
        {"mcpServers": [{"streamableHttpTransport": {"url": url}}]}]);
    let request = http::Request::post(format!("{WHOLE}?$.xgafv=2&base_url={url}&quotaUser=x"))
        .header("x-goog-api-key", TOKEN)
        .header("x-goog-user-project", "somebody-else")
        .header("host", trap.address.to_string())
        .header("x-forwarded-host", trap.address.to_string())
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = world.door.router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(trap.is_silent());
    let seen = model.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].uri, "/v1beta/models/model-1:generateContent");
    assert!(!seen[0].headers.contains_key("x-goog-user-project"));
    let told = format!("{:?}{:?}", seen[0].headers, seen[0].body);
    assert!(!told.contains(&trap.address.to_string()), "{told}");
    let sent: Value = serde_json::from_slice(&seen[0].body).unwrap();
    assert!(sent.get("tools").is_none());
    assert_eq!(world.engine.charges(1).await[0].basis, Basis::Estimated);
}

#[tokio::test]
async fn counting_googles_tokens_sets_nothing_aside_and_a_model_without_a_price_is_refused() {
    let (world, model) = google(|| answer(200, "application/json", r#"{"totalTokens":9}"#)).await;
    let count = "/model/google/v1beta/models/model-1:countTokens";
    let response = world.post(count, &contents()).await;
    assert_eq!(text(response).await, r#"{"totalTokens":9}"#);
    assert!(world.engine.ceilings.lock().unwrap().is_empty());
    let dear = "/model/google/v1beta/models/model-2:generateContent";
    let response = world.post(dear, &contents()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let told: Value = serde_json::from_str(&text(response).await).unwrap();
    let told = told["error"]["message"].as_str().unwrap();
    assert!(told.contains(r#"[prices."model-2"]"#), "{told}");
    assert_eq!(model.seen().len(), 1);
}

#[tokio::test]
async fn what_google_says_about_the_account_stays_here() {
    let (world, _model) = google(|| {
        let mut said = answer(200, "application/json", "{}");
        let headers = said.headers_mut();
        headers.insert(
            "x-gemini-service-tier",
            HeaderValue::from_static("standard"),
        );
        headers.insert("set-cookie", HeaderValue::from_static("a=b"));
        said
    })
    .await;
    let response = world.post(WHOLE, &contents()).await;
    assert!(!response.headers().contains_key("set-cookie"));
    assert!(!response.headers().contains_key("x-gemini-service-tier"));
}
