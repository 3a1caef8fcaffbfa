//! Model calls.

use cloud_code_domain::cost::{Tokens, Usage};
use futures_util::StreamExt as _;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::super::meter::Basis;
use super::*;

const MESSAGES: &str = "/model/anthropic/v1/messages";
const RESPONSES: &str = "/model/openai/v1/responses";
const CHAT: &str = "/model/openai/v1/chat/completions";

const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":\
    {\"input_tokens\":100,\"cache_read_input_tokens\":1000,\"output_tokens\":1}}}\n\n";
const END: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":20}}\
    \n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

pub(super) fn answer(status: u16, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    let headers = answer.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(kind));
    headers.insert("anthropic-organization-id", HeaderValue::from_static("org"));
    answer
}

pub(super) fn events(body: impl Into<Body>) -> Response {
    answer(200, "text/event-stream", body)
}

pub(super) fn error(
    status: u16,
    header: Option<(&'static str, &'static str)>,
    body: &str,
) -> Response {
    let mut answer = answer(status, "application/json", body.to_owned());
    if let Some((name, value)) = header {
        let headers = answer.headers_mut();
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    answer
}

async fn anthropic(reply: impl Fn() -> Response + Clone + Send + Sync + 'static) -> (World, Model) {
    let model = Model::new(reply).await;
    (World::new(account(Provider::Anthropic, &model.base)), model)
}

/// A provider that streams what it is given.
async fn in_pieces() -> (World, Model, mpsc::Sender<std::io::Result<Bytes>>) {
    let (pieces, waiting) = mpsc::channel(1);
    let waiting = Arc::new(Mutex::new(Some(waiting)));
    let (world, model) = anthropic(move || {
        let waiting = waiting.lock().unwrap().take().unwrap();
        events(Body::from_stream(ReceiverStream::new(waiting)))
    })
    .await;
    (world, model, pieces)
}

#[tokio::test]
async fn a_streamed_answer_is_passed_on_and_charged_by_the_providers_figures() {
    let (world, model) = anthropic(|| events(format!("{START}{END}"))).await;
    let response = world
        .post(&format!("{MESSAGES}?beta=true"), &message())
        .await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert!(!response.headers().contains_key("anthropic-organization-id"));
    assert_eq!(text(response).await, format!("{START}{END}"));
    let charges = world.engine.charges(1).await;
    let usage = Usage {
        input: 100,
        output: 20,
        cache_read: 1_000,
        cache_write: 0,
    };
    assert_eq!(
        charges,
        [Charge {
            model: "model-1".to_owned(),
            usage,
            cost: MicroUsd(100 + 200 + 100),
            tokens: Tokens(120),
            basis: Basis::Metered,
        }]
    );
    let seen = model.seen();
    assert_eq!(seen[0].uri, "/v1/messages?beta=true");
    assert_eq!(seen[0].headers["x-api-key"], KEY);
    assert!(!format!("{seen:?}").contains(TOKEN));
}

#[tokio::test]
async fn money_is_set_aside_before_the_provider_hears_of_the_call() {
    let (world, model) = anthropic(|| events(format!("{START}{END}"))).await;
    *world.engine.at_reserve.lock().unwrap() = Some(Refusal::CostLimit);
    let response = world.post(MESSAGES, &message()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let told = text(response).await;
    assert!(told.contains("credit balance is too low") && told.contains("cost limit"));
    assert!(model.seen().is_empty());
    *world.engine.at_reserve.lock().unwrap() = None;
    text(world.post(MESSAGES, &message()).await).await;
    let ceiling = world.engine.ceilings.lock().unwrap()[0].clone();
    // A thousand tokens of output at 10 $ a million, and the bytes of the request at 2 $.
    assert!((10_050..10_500).contains(&ceiling.cost.0), "{ceiling:?}");
    assert!((1_025..1_250).contains(&ceiling.tokens.0), "{ceiling:?}");
    world.engine.charges(1).await;
}

#[tokio::test]
async fn what_may_not_be_spent_is_not_sent() {
    let (world, model) = anthropic(|| events(format!("{START}{END}"))).await;
    for refusal in [
        Refusal::DailyLimit,
        Refusal::Halted,
        Refusal::Parked(Parking::LogInAgain),
    ] {
        *world.engine.at_open.lock().unwrap() = Some(refusal.clone());
        let response = world.post(MESSAGES, &message()).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let told = text(response).await;
        assert!(told.contains("credit balance is too low") && told.contains(&refusal.to_string()));
    }
    *world.engine.at_open.lock().unwrap() = None;
    for token in ["", "other", KEY] {
        let request = http::Request::post(MESSAGES)
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(message().to_string()))
            .unwrap();
        let response = world.door.router().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
    assert!(model.seen().is_empty() && world.engine.ceilings.lock().unwrap().is_empty());
}

#[tokio::test]
async fn every_piece_reaches_the_agent_before_the_next_one_exists() {
    let (world, _model, pieces) = in_pieces().await;
    pieces.send(Ok(START.into())).await.unwrap();
    let response = world.post(MESSAGES, &message()).await;
    let mut body = response.into_body().into_data_stream();
    assert_eq!(body.next().await.unwrap().unwrap(), START);
    pieces.send(Ok(END.into())).await.unwrap();
    assert_eq!(body.next().await.unwrap().unwrap(), END);
    drop(pieces);
    assert!(body.next().await.is_none());
    assert_eq!(world.engine.charges(1).await[0].basis, Basis::Metered);
}

#[tokio::test]
async fn an_agent_that_hangs_up_pays_what_the_call_came_to() {
    let (world, _model, pieces) = in_pieces().await;
    pieces.send(Ok(START.into())).await.unwrap();
    drop(world.post(MESSAGES, &message()).await);
    pieces.send(Ok(END.into())).await.unwrap();
    drop(pieces);
    let charge = world.engine.charges(1).await.remove(0);
    assert_eq!((charge.basis, charge.usage.output), (Basis::Metered, 20));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_seen_to_and_charged_as_the_most_it_can_have_been() {
    let (world, _model, pieces) = in_pieces().await;
    pieces.send(Ok(START.into())).await.unwrap();
    let response = world.post(MESSAGES, &message()).await;
    let cut = std::io::Error::other("cut");
    pieces.send(Err(cut)).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
    let charge = world.engine.charges(1).await.remove(0);
    assert_eq!(charge.basis, Basis::Ceiling);
    // What the start said of the input, and all of the output that was allowed.
    assert_eq!(charge.cost, MicroUsd(100 + 100 + 10_000));
    assert_eq!(charge.usage.input, 100);
    assert_eq!(charge.tokens, Tokens(100 + 1_000));
}

#[tokio::test]
async fn an_answer_without_figures_is_estimated() {
    let chunk = r#"{"choices":[{"delta":{"content":"some words of an answer"}}]}"#;
    let stream = format!("data: {chunk}\n\ndata: [DONE]\n\n");
    let model = Model::new(move || events(stream.clone())).await;
    let world = World::new(account(Provider::Openai, &model.base));
    text(world.post(CHAT, &message()).await).await;
    let charge = world.engine.charges(1).await.remove(0);
    assert_eq!(charge.basis, Basis::Estimated);
    assert!(charge.usage.output == 8 && charge.usage.input > 20);
    let sent: Value = serde_json::from_slice(&model.seen()[0].body).unwrap();
    assert_eq!(sent["stream_options"]["include_usage"], true);
    assert_eq!(
        model.seen()[0].headers["authorization"],
        format!("Bearer {KEY}")
    );
}

#[tokio::test]
async fn an_answer_that_comes_whole_is_metered_too() {
    let usage = r#"{"usage":{"input_tokens":7,"output_tokens":3}}"#;
    let model = Model::new(move || answer(200, "application/json", usage)).await;
    let world = World::new(account(Provider::Openai, &format!("{}/v1/", model.base)));
    assert_eq!(text(world.post(RESPONSES, &message()).await).await, usage);
    let charge = world.engine.charges(1).await.remove(0);
    assert_eq!((charge.basis, charge.cost), (Basis::Metered, MicroUsd(37)));
    assert_eq!(model.seen()[0].uri, "/v1/responses");
}

#[tokio::test]
async fn an_error_is_passed_on_and_costs_what_is_known_of_it() {
    let stated = r#"{"type":"error","error":{"type":"api_error","message":"broken"}}"#;
    let cases = [
        (500, stated, Basis::Nothing),
        (529, "", Basis::Nothing),
        (503, "<html>", Basis::Nothing),
        (502, "<html>", Basis::Ceiling),
        (504, "", Basis::Ceiling),
        (400, stated, Basis::Refused),
        (404, stated, Basis::Refused),
    ];
    for (status, body, basis) in cases {
        let (world, _model) = anthropic(move || error(status, None, body)).await;
        let response = world.post(MESSAGES, &message()).await;
        assert_eq!(response.status(), status);
        assert_eq!(text(response).await, body);
        assert_eq!(
            world.engine.charges(1).await[0].basis,
            basis,
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn a_limit_that_ends_soon_is_passed_on_and_a_far_one_parks_the_account() {
    let limited = r#"{"error":{"type":"rate_limit_error","message":"slow down"}}"#;
    let (world, _model) = anthropic(move || error(429, Some(("retry-after", "2")), limited)).await;
    let response = world.post(MESSAGES, &message()).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()["retry-after"], "2");
    assert!(world.engine.parkings.lock().unwrap().is_empty());

    let (world, _model) =
        anthropic(move || error(429, Some(("retry-after", "7200")), limited)).await;
    let response = world.post(MESSAGES, &message()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(!response.headers().contains_key("retry-after"));
    assert!(text(response).await.contains("credit balance is too low"));
    let parked = world.engine.parkings.lock().unwrap().clone();
    assert!(matches!(parked[..], [Parking::UsageLimit { .. }]));
    assert_eq!(world.engine.charges(1).await[0].basis, Basis::Nothing);
}

#[tokio::test]
async fn a_limit_that_is_told_within_the_stream_parks_the_account() {
    let failed = r#"{"type":"response.failed","response":{"error":{"code":"insufficient_quota"}}}"#;
    let model = Model::new(move || events(format!("data: {failed}\n\n"))).await;
    let world = World::new(account(Provider::Openai, &model.base));
    text(world.post(RESPONSES, &message()).await).await;
    world.engine.charges(1).await;
    assert_eq!(world.engine.parkings.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refused_key_parks_the_account_and_is_not_repeated_to_the_agent() {
    for status in [401, 403, 400, 500] {
        let body = format!(r#"{{"error":{{"type":"x","message":"Incorrect key: {KEY}"}}}}"#);
        let (world, _model) = anthropic(move || error(status, None, &body)).await;
        let response = world.post(MESSAGES, &message()).await;
        let told = text(response).await;
        assert!(!told.contains(KEY), "{told}");
        let parked = world.engine.parkings.lock().unwrap().clone();
        let expected: &[Parking] = if status == 401 || status == 403 {
            &[Parking::LogInAgain]
        } else {
            &[]
        };
        assert_eq!(parked, expected);
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let trap = Trap::new().await;
    let to = format!("http://{}/v1/messages", trap.address);
    for status in [301, 302, 303, 307, 308] {
        let to = to.clone();
        let (world, _model) = anthropic(move || {
            let mut answer = answer(status, "text/plain", "");
            let to = HeaderValue::try_from(to.as_str()).unwrap();
            answer.headers_mut().insert("location", to);
            answer
        })
        .await;
        let response = world.post(MESSAGES, &message()).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        assert!(!response.headers().contains_key("location"));
    }
    assert!(trap.is_silent());
}

/// CVE-2024-6587 was a proxy that sent its key wherever the client said.
#[tokio::test]
async fn no_field_and_no_header_sends_the_key_elsewhere() {
    let trap = Trap::new().await;
    let url = format!("http://{}/x", trap.address);
    let usage = r#"{"usage":{"input_tokens":1,"output_tokens":1}}"#;
    let model = Model::new(move || answer(200, "application/json", usage)).await;
    let base = url.as_str();
    let body = json!({
        "model": "model-1", "max_tokens": 1,
        "api_base": base, "base_url": base, "api_url": base, "endpoint": base, "proxy": base,
        "extra_body": {"api_base": base}, "extra_headers": {"host": base}, "extra_query": {"u": base},
        "mcp_servers": [{"type": "url", "url": base}], "webhook": base, "callback_url": base,
        "litellm_params": {"api_base": base}, "metadata": {"user_id": base},
        "messages": [{"role": "user", "content": [
            {"type": "image", "source": {"type": "url", "url": base}},
            {"type": "image_url", "image_url": {"url": base}},
            {"type": "text", "text": base},
        ]}],
        "input": [{"role": "user", "content": [{"type": "input_file", "file_url": base}]}],
        "tools": [{"type": "web_fetch_20250910", "name": "web_fetch", "allowed_domains": [base]},
            {"type": "mcp", "server_url": base}],
    });
    for (kind, path) in [
        (Provider::Anthropic, MESSAGES),
        (Provider::Openai, RESPONSES),
        (Provider::Openai, CHAT),
    ] {
        let world = World::new(account(kind, &model.base));
        let request = http::Request::post(format!("{path}?api_base={base}"))
            .header("x-api-key", TOKEN)
            .header("host", trap.address.to_string())
            .header("x-forwarded-host", trap.address.to_string())
            .header("forwarded", format!("host={}", trap.address))
            .header("x-base-url", base)
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = world.door.router().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!text(response).await.contains(KEY));
    }
    assert!(trap.is_silent());
    assert_eq!(model.seen().len(), 3);
    for seen in model.seen() {
        assert_eq!(seen.uri.query(), None);
        assert!(!format!("{:?}", seen.headers).contains(&trap.address.to_string()));
        let sent: Value = serde_json::from_slice(&seen.body).unwrap();
        assert!(sent.get("tools").is_none() && sent.get("api_base").is_none());
        assert!(!sent.to_string().contains("file_url"));
    }
}

#[tokio::test]
async fn a_model_without_a_price_is_refused_unless_the_account_takes_it() {
    let usage = r#"{"usage":{"input_tokens":1,"output_tokens":1}}"#;
    let model = Model::new(move || answer(200, "application/json", usage)).await;
    let mut config = account(Provider::Anthropic, &model.base);
    let body = json!({"model": "model-x", "messages": []});
    let world = World::new(config.clone());
    let response = world.post(MESSAGES, &body).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let told: Value = serde_json::from_str(&text(response).await).unwrap();
    let told = told["error"]["message"].as_str().unwrap();
    assert!(told.contains(r#"[prices."model-x"]"#), "{told}");
    assert!(model.seen().is_empty());
    config.unpriced = true;
    let world = World::new(config);
    text(world.post(MESSAGES, &body).await).await;
    let charge = world.engine.charges(1).await.remove(0);
    assert_eq!((charge.cost, charge.usage.output), (MicroUsd(0), 1));
}

#[tokio::test]
async fn an_execution_reaches_its_own_accounts_provider_only() {
    let (world, model) = anthropic(|| events("")).await;
    let response = world.post(RESPONSES, &message()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(model.seen().is_empty());
}

#[tokio::test]
async fn counting_tokens_sets_nothing_aside() {
    let (world, model) =
        anthropic(|| answer(200, "application/json", r#"{"input_tokens":9}"#)).await;
    let response = world
        .post("/model/anthropic/v1/messages/count_tokens", &message())
        .await;
    assert_eq!(text(response).await, r#"{"input_tokens":9}"#);
    assert_eq!(model.seen()[0].uri, "/v1/messages/count_tokens");
    assert!(world.engine.ceilings.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_provider_that_is_not_there_costs_nothing() {
    let gone = Trap::new().await.address;
    let world = World::new(account(Provider::Anthropic, &format!("http://{gone}")));
    let response = world.post(MESSAGES, &message()).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.engine.charges(1).await[0].basis, Basis::Nothing);
}

#[tokio::test]
async fn an_answer_of_another_kind_is_not_passed_on() {
    let (world, _model) =
        anthropic(|| answer(200, "text/html", "<h1>log in to the wifi</h1>")).await;
    let response = world.post(MESSAGES, &message()).await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(world.engine.charges(1).await[0].basis, Basis::Ceiling);
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_refused_before_it_is_read() {
    let (world, model) = anthropic(|| events("")).await;
    let endless = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
    let request = http::Request::post(MESSAGES)
        .header("x-api-key", TOKEN)
        .header("content-length", "33554433")
        .body(Body::from_stream(endless))
        .unwrap();
    let response = world.door.router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let long = Body::from(vec![b' '; (32 << 20) + 1]);
    let response = world.send(MESSAGES, long).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(model.seen().is_empty());
}

#[tokio::test]
async fn looks_are_answered_here() {
    let (world, model) = anthropic(|| events("")).await;
    for (method, path, status) in [
        ("HEAD", "/model/anthropic", 200),
        ("GET", "/model/openai/v1/models", 200),
        ("GET", "/model/anthropic/v1/files", 404),
        ("POST", "/model/anthropic/v1/messages/batches", 404),
    ] {
        let request = http::Request::builder().method(method).uri(path);
        let request = request.body(Body::empty()).unwrap();
        let response = world.door.router().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
    }
    assert!(model.seen().is_empty());
}
