mod google;

use cloud_code_domain::account::Provider;
use serde_json::{Value, json};

use super::*;

/// The target of an endpoint; Google's path names the model.
fn target(endpoint: Endpoint) -> Target {
    let model = (endpoint.provider() == Provider::Google).then(|| "m".to_owned());
    Target { endpoint, model }
}

fn prepared(endpoint: Endpoint, body: &Value) -> Prepared {
    Prepared::new(&target(endpoint), body.to_string().as_bytes()).unwrap()
}

fn sent(endpoint: Endpoint, body: &Value) -> Value {
    serde_json::from_slice(&prepared(endpoint, body).body).unwrap()
}

#[test]
fn tools_of_the_provider_never_reach_it() {
    let sent = sent(
        Endpoint::Messages,
        &json!({
            "model": "m", "messages": [], "max_tokens": 1,
            "tools": [
                {"name": "Edit", "input_schema": {}},
                {"type": "bash_20250124", "name": "bash"},
                {"type": "web_search_20250305", "name": "web_search"},
                {"type": "web_fetch_20250910", "name": "web_fetch"},
                {"type": "code_execution_20250825", "name": "code_execution"},
                {"type": "mcp_toolset", "mcp_server_name": "x"},
                {"type": 7},
            ],
            "tool_choice": {"type": "tool", "name": "web_search"},
            "mcp_servers": [{"type": "url", "url": "https://evil.example"}],
            "container": "c",
        }),
    );
    assert_eq!(
        sent,
        json!({
            "model": "m", "messages": [], "max_tokens": 1,
            "tools": [
                {"name": "Edit", "input_schema": {}},
                {"type": "bash_20250124", "name": "bash"},
            ],
        })
    );
}

#[test]
fn a_request_for_nothing_but_a_search_is_asked_without_tools() {
    let sent = sent(
        Endpoint::Messages,
        &json!({
            "model": "m", "messages": [],
            "tools": [{"type": "web_search_20250305", "name": "web_search"}],
            "tool_choice": {"type": "auto"},
        }),
    );
    assert_eq!(sent, json!({"model": "m", "messages": []}));
}

#[test]
fn content_by_reference_is_replaced_by_a_sentence() {
    let url = json!({"type": "url", "url": "https://evil.example/x.png"});
    let image = json!({"type": "image", "source": url});
    let removed = json!({"type": "text", "text": REMOVED});
    let inline = json!({"type": "image", "source": {
        "type": "base64", "media_type": "image/png", "data": "AAAA",
    }});
    let use_of_tool = json!({"type": "tool_use", "id": "t", "name": "n", "input": {"source": url}});
    let sent = sent(
        Endpoint::Messages,
        &json!({"model": "m", "system": [image], "messages": [
            {"role": "assistant", "content": [use_of_tool]},
            {"role": "user", "content": [
                image, inline,
                {"type": "document", "source": {"type": "file", "file_id": "f"}},
                {"type": "document", "source": {"type": "content", "content": [image]}},
                {"type": "container_upload", "file_id": "f"},
                {"type": "tool_result", "tool_use_id": "t", "content": [image, inline]},
            ]},
        ]}),
    );
    assert_eq!(
        sent,
        json!({"model": "m", "system": [removed], "messages": [
            {"role": "assistant", "content": [use_of_tool]},
            {"role": "user", "content": [
                removed, inline, removed,
                {"type": "document", "source": {"type": "content", "content": [removed]}},
                removed,
                {"type": "tool_result", "tool_use_id": "t", "content": [removed, inline]},
            ]},
        ]})
    );
}

#[test]
fn a_tool_that_a_message_brings_is_looked_at_like_the_others() {
    let brought = |definition: Value| json!({"type": "tool_addition", "tool": {"type": "tool_definition", "definition": definition}});
    let ours = brought(json!({"name": "Edit", "input_schema": {}}));
    let theirs = brought(json!({"type": "web_fetch_20250910", "name": "web_fetch"}));
    let known =
        json!({"type": "tool_addition", "tool": {"type": "tool_reference", "name": "Edit"}});
    let message = |content: Value| json!({"role": "system", "content": content, "output_config": {"effort": "high"}});
    let sent = sent(
        Endpoint::Messages,
        &json!({"model": "m", "messages": [message(json!([ours, theirs, known]))]}),
    );
    let removed = json!({"type": "text", "text": REMOVED});
    let expected = json!({"model": "m", "messages": [message(json!([ours, removed, known]))]});
    assert_eq!(sent, expected);
}

#[test]
fn a_response_request_keeps_the_callers_tools_and_nothing_of_the_providers() {
    let function = json!({"type": "function", "name": "f", "parameters": {
        "type": "object", "properties": {"file_url": {"type": "string"}},
    }});
    let folder = |tools: Value| json!({"type": "namespace", "name": "n", "tools": tools});
    let hostile = json!({"type": "mcp", "server_url": "https://evil.example"});
    let sent = sent(
        Endpoint::Responses,
        &json!({
            "model": "m", "stream": true, "store": true, "background": true,
            "previous_response_id": "resp_1", "prompt": {"id": "p"}, "service_tier": "priority",
            "tools": [function, {"type": "web_search"}, folder(json!([function, hostile])),
                {"type": "shell", "environment": {"type": "container_auto"}}],
            "tool_choice": "auto",
            "input": [
                {"type": "additional_tools", "tools": [function, hostile]},
                {"type": "item_reference", "id": "x"},
                {"type": "mcp_approval_response", "approve": true},
                {"type": "message", "role": "user", "content": [
                    {"type": "input_text", "text": "https://evil.example stays text"},
                    {"type": "input_image", "image_url": "https://evil.example/i"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AA"},
                    {"type": "input_file", "file_url": "https://evil.example/f"},
                ]},
            ],
        }),
    );
    let removed = json!({"type": "input_text", "text": REMOVED});
    assert_eq!(
        sent,
        json!({
            "model": "m", "stream": true, "store": false,
            "tools": [function, folder(json!([function]))],
            "tool_choice": "auto",
            "input": [
                {"type": "additional_tools", "tools": [function]},
                {"type": "message", "role": "user", "content": [
                    {"type": "input_text", "text": "https://evil.example stays text"},
                    removed,
                    {"type": "input_image", "image_url": "data:image/png;base64,AA"},
                    removed,
                ]},
            ],
        })
    );
}

#[test]
fn a_streamed_chat_is_asked_for_its_tokens() {
    let body = json!({
        "model": "m", "stream": true, "api_base": "https://evil.example", "n": 100,
        "extra_body": {}, "web_search_options": {},
        "messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "https://evil.example"}},
            {"type": "file", "file": {"file_id": "f"}},
        ]}],
    });
    let removed = json!({"type": "text", "text": REMOVED});
    assert_eq!(
        sent(Endpoint::ChatCompletions, &body),
        json!({
            "model": "m", "stream": true, "stream_options": {"include_usage": true},
            "messages": [{"role": "user", "content": [removed, removed]}],
        })
    );
}

#[test]
fn the_ceiling_covers_text_by_the_byte_and_images_by_the_piece() {
    let text = "x".repeat(9_000);
    let body = json!({"model": "m", "max_tokens": 77, "messages": [{"role": "user", "content": [
        {"type": "text", "text": text},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A".repeat(1 << 20)}},
    ]}]});
    let most = prepared(Endpoint::Messages, &body).most;
    assert_eq!(most.output, 77);
    assert!((10_500..11_000).contains(&most.input), "{}", most.input);
    let open = json!({"model": "m", "input": "hi"});
    assert_eq!(prepared(Endpoint::Responses, &open).most.output, 32_768);
}

#[test]
fn what_is_no_request_goes_nowhere() {
    let long = json!({"model": "m".repeat(201)}).to_string();
    for body in [
        "",
        "[]",
        "{}",
        r#"{"model":7}"#,
        r#"{"model":"a b"}"#,
        r#"{"model":"m"} x"#,
        &long,
    ] {
        assert!(
            Prepared::new(&target(Endpoint::Messages), body.as_bytes()).is_err(),
            "{body}"
        );
    }
}

/// Every way in which a value of a request can be exchanged for a URL.
#[test]
fn no_field_makes_the_provider_fetch_a_url() {
    const URL: &str = "https://listener.example/x";
    let fields = [
        "url",
        "image_url",
        "file_url",
        "file_id",
        "server_url",
        "api_base",
        "base_url",
        "source",
        "mcp_servers",
        "webhook",
        "callback_url",
        "container",
        "proxy",
        "prompt",
        "conversation",
    ];
    for endpoint in [
        Endpoint::Messages,
        Endpoint::Responses,
        Endpoint::ChatCompletions,
    ] {
        for field in fields {
            let source = json!({"type": "url", "url": URL});
            let part = if endpoint == Endpoint::Messages {
                json!({"type": "image", "source": source, "text": URL})
            } else {
                json!({"type": "input_image", "image_url": {"url": URL}, field: URL})
            };
            let body = json!({
                "model": "m", field: URL,
                "messages": [{"role": "user", "content": [part]}],
                "input": [{"type": "message", "role": "user", "content": [part]}],
                "tools": [{"type": "mcp", field: URL}],
            });
            let sent = sent(endpoint, &body).to_string();
            assert!(!sent.contains(URL), "{endpoint:?} {field}: {sent}");
        }
    }
}
