use cloud_code_domain::cost::Usage;
use serde_json::{Value, json};

use super::{Fault, ModelServer, Outcome, Script, Step};

const EDIT: Usage = Usage {
    input: 2_000,
    output: 120,
    cache_read: 300,
    cache_write: 1_500,
};

async fn server(script: Script) -> ModelServer {
    ModelServer::start(script).await.expect("a free port")
}

async fn post(server: &ModelServer, path: &str, body: Value) -> reqwest::Response {
    reqwest::Client::new()
        .post(format!("{}{path}", server.url()))
        .header("x-api-key", "the-key")
        .json(&body)
        .send()
        .await
        .expect("an answer")
}

fn messages(stream: bool) -> Value {
    json!({
        "model": "claude",
        "stream": stream,
        "tools": [
            { "name": "Write", "input_schema": { "properties": { "file_path": {}, "content": {} } } },
            { "name": "Bash", "input_schema": { "properties": { "command": {} } } },
        ],
        "messages": [{ "role": "user", "content": "greet" }],
    })
}

/// The data of a stream's events.
fn data(stream: &str) -> Vec<Value> {
    stream
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect()
}

#[tokio::test]
async fn an_action_calls_the_tool_that_the_client_offers() {
    let server = server(Script::edit()).await;
    let answer = post(&server, "/model/anthropic/v1/messages", messages(false)).await;
    let answer: Value = answer.json().await.expect("JSON");
    let call = &answer["content"][1];
    assert_eq!(call["name"], "Write");
    assert_eq!(call["input"]["file_path"], "greeting.txt");
    assert_eq!(answer["stop_reason"], "tool_use");
    assert_eq!(answer["usage"]["cache_creation_input_tokens"], 1_500);
}

#[tokio::test]
async fn a_tool_result_leads_to_the_next_step_and_a_new_prompt_to_the_first() {
    let server = server(Script::edit()).await;
    let mut body = messages(false);
    let mut said = Vec::new();
    for _ in 0..3 {
        let answer = post(&server, "/v1/messages", body.clone()).await;
        let answer: Value = answer.json().await.expect("JSON");
        said.push(answer["content"][0]["text"].clone());
        let messages = body["messages"].as_array_mut().expect("a list");
        messages.push(json!({ "role": "assistant", "content": answer["content"] }));
        let id = &answer["content"][1]["id"];
        messages.push(if id.is_null() {
            json!({ "role": "user", "content": "again" })
        } else {
            json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": id }] })
        });
    }
    assert_eq!(
        said,
        [
            "I write the greeting.",
            "I look at it.",
            "Done: greeting.txt greets."
        ]
    );
    let answer = post(&server, "/v1/messages", body).await;
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!(answer["content"][0]["text"], "I write the greeting.");
}

#[tokio::test]
async fn what_is_steered_last_chooses_the_steps() {
    let script = Script::edit()
        .on("greet", vec![Step::says("hello")])
        .on("louder", vec![Step::says("HELLO")]);
    let server = server(script).await;
    let mut body = messages(false);
    for (prompt, wanted) in [("greet", "hello"), ("greet, louder", "HELLO")] {
        body["messages"] = json!([{ "role": "user", "content": prompt }]);
        let answer = post(&server, "/v1/messages", body.clone()).await;
        let answer: Value = answer.json().await.expect("JSON");
        assert_eq!(answer["content"][0]["text"], wanted);
    }
}

#[tokio::test]
async fn every_protocol_streams_what_it_answers_whole_and_counts_it_once() {
    let server = server(Script::text(
        "The answer is forty-two, and it is long enough to be cut.",
    ))
    .await;
    let chat = |stream| {
        json!({ "model": "gpt", "stream": stream, "stream_options": { "include_usage": true },
            "messages": [{ "role": "user", "content": "?" }] })
    };
    let responses = |stream| json!({ "model": "gpt", "stream": stream, "input": "?" });
    let mut said = Vec::new();
    for stream in [false, true] {
        for (path, body) in [
            ("/v1/messages", messages(stream)),
            ("/v1/chat/completions", chat(stream)),
            ("/v1/responses", responses(stream)),
            (
                if stream {
                    "/v1beta/models/gpt:streamGenerateContent?alt=sse"
                } else {
                    "/v1beta/models/gpt:generateContent"
                },
                contents("?"),
            ),
        ] {
            let text = post(&server, path, body).await.text().await.expect("text");
            said.push(if stream {
                let pieces = data(&text);
                pieces
                    .iter()
                    .filter_map(|event| {
                        event["delta"]["text"]
                            .as_str()
                            .or_else(|| event["delta"].as_str())
                            .or_else(|| event["choices"][0]["delta"]["content"].as_str())
                            .or_else(|| googles_words(event))
                    })
                    .collect::<String>()
            } else {
                let whole: Value = serde_json::from_str(&text).expect("JSON");
                let text = whole["content"][0]["text"]
                    .as_str()
                    .or_else(|| whole["choices"][0]["message"]["content"].as_str())
                    .or_else(|| whole["output"][0]["content"][0]["text"].as_str())
                    .or_else(|| googles_words(&whole));
                text.expect("words").to_owned()
            });
        }
    }
    said.dedup();
    assert_eq!(
        said,
        ["The answer is forty-two, and it is long enough to be cut."]
    );
    let counted = server.usage();
    assert_eq!((counted["claude"].output, counted["gpt"].output), (80, 240));
}

fn contents(prompt: &str) -> Value {
    json!({
        "contents": [{ "role": "user", "parts": [{ "text": prompt }] }],
        "tools": [{ "functionDeclarations": [
            { "name": "write_file", "parametersJsonSchema":
                { "properties": { "file_path": {}, "content": {} } } },
            { "name": "run_shell_command", "parametersJsonSchema":
                { "properties": { "command": {} } } },
        ] }],
    })
}

/// What a piece says aloud.
fn googles_words(piece: &Value) -> Option<&str> {
    let part = &piece["candidates"][0]["content"]["parts"][0];
    part["text"].as_str().filter(|_| part["thought"] != true)
}

#[tokio::test]
async fn google_is_told_the_model_by_the_path_and_streams_an_array_unless_asked_for_events() {
    let server = server(Script::edit()).await;
    let path = "/model/google/v1beta/models/gemini:streamGenerateContent";
    let mut body = contents("greet");
    let answer = post(&server, path, body.clone()).await;
    let pieces: Value = answer.json().await.expect("JSON");
    let pieces = pieces.as_array().expect("an array");
    let last = &pieces[pieces.len() - 1];
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    let figures = &last["usageMetadata"];
    assert_eq!(
        (
            &figures["promptTokenCount"],
            &figures["cachedContentTokenCount"]
        ),
        (&json!(3_800), &json!(300))
    );
    let call = &pieces[pieces.len() - 2]["candidates"][0]["content"]["parts"][0];
    assert_eq!(call["functionCall"]["args"]["file_path"], "greeting.txt");
    let (id, name) = (&call["functionCall"]["id"], &call["functionCall"]["name"]);
    let answered = json!({ "functionResponse": { "id": id, "name": name, "response": {} } });
    let contents = body["contents"].as_array_mut().expect("a list");
    contents.push(json!({ "role": "model", "parts": [call] }));
    contents.push(json!({ "role": "user", "parts": [answered] }));
    let next = post(&server, &format!("{path}?key=k&alt=sse"), body).await;
    assert!(next.text().await.expect("text").contains("I look at it."));
    let counted = server.usage()["gemini"];
    assert_eq!(
        (counted.input, counted.cache_read, counted.cache_write),
        (7_000, 600, 0)
    );
    assert_eq!(counted.output, 240);
}

#[tokio::test]
async fn google_says_in_the_details_how_long_to_wait() {
    let script = Script::text("at last").first(Fault::rate_limited(7), 1);
    let server = server(script).await;
    let path = "/v1beta/models/gemini:streamGenerateContent";
    let limited = post(&server, path, contents("?")).await;
    assert_eq!(limited.status(), 429);
    let told: Value = limited.json().await.expect("JSON");
    assert_eq!(told[0]["error"]["status"], "RESOURCE_EXHAUSTED");
    assert_eq!(told[0]["error"]["details"][0]["retryDelay"], "7s");
}

#[tokio::test]
async fn openai_counts_cached_input_inside_the_input() {
    let script = Script::playing(vec![Step::says("hi").costing(EDIT)]);
    let server = server(script).await;
    let answer = post(
        &server,
        "/v1/responses",
        json!({ "model": "gpt", "input": "?" }),
    )
    .await;
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!(answer["usage"]["input_tokens"], 3_800);
    assert_eq!(
        answer["usage"]["input_tokens_details"]["cached_tokens"],
        300
    );
    assert_eq!(server.usage()["gpt"], EDIT);
}

#[tokio::test]
async fn faults_come_in_order_and_count_nothing() {
    let script = Script::text("at last")
        .first(Fault::rate_limited(7), 1)
        .first(Fault::Cut { after: 2 }, 1);
    let server = server(script).await;
    let limited = post(&server, "/v1/messages", messages(true)).await;
    assert_eq!(limited.status(), 429);
    assert_eq!(limited.headers()["retry-after"], "7");
    let cut = post(&server, "/v1/messages", messages(true)).await;
    assert!(cut.text().await.is_err(), "the connection breaks off");
    let whole = post(&server, "/v1/messages", messages(true)).await;
    assert!(whole.text().await.expect("text").contains("message_stop"));
    let outcomes: Vec<Outcome> = server
        .calls()
        .into_iter()
        .map(|call| call.outcome)
        .collect();
    assert_eq!(
        outcomes[..2],
        [Outcome::Refused { status: 429 }, Outcome::Broken]
    );
    assert_eq!(server.usage()["claude"], Step::says("").usage);
}

#[tokio::test]
async fn only_the_required_key_opens_it() {
    let server = server(Script::text("in").requiring_key("real")).await;
    let refused = post(&server, "/v1/messages", messages(false)).await;
    assert_eq!(refused.status(), 401);
    server.play(Script::text("in").requiring_key("the-key"));
    let answered = post(&server, "/v1/messages", messages(false)).await;
    assert_eq!(answered.status(), 200);
    assert_eq!(server.calls()[1].key(), "the-key");
}
