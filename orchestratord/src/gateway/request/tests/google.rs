use super::*;

fn generated(body: &Value) -> Value {
    sent(Endpoint::StreamGenerate, body)
}

#[test]
fn the_callers_functions_go_on_and_the_providers_tools_do_not() {
    let function = json!({"name": "f", "parametersJsonSchema": {
        "properties": {"file_uri": {"type": "string"}, "google_search": {}},
    }});
    let sent = generated(&json!({
        "contents": [], "model": "models/dear", "cachedContent": "cachedContents/x",
        "serviceTier": "priority", "store": true,
        "tools": [
            {"functionDeclarations": [function], "googleSearch": {}},
            {"google_search": {}}, {"urlContext": {}}, {"url_context": {}},
            {"codeExecution": {}}, {"fileSearch": {"fileSearchStoreNames": ["x"]}},
            {"mcpServers": [{"url": "https://evil.example"}]}, {"googleMaps": {}}, {}, 7,
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"},
            "includeServerSideToolInvocations": true},
    }));
    assert_eq!(
        sent,
        json!({
            "contents": [],
            "tools": [{"functionDeclarations": [function]}],
            "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
        })
    );
}

#[test]
fn a_search_alone_is_asked_without_tools() {
    for tools in [
        json!([{"googleSearch": {}}]),
        json!([{"url_context": {}}]),
        json!({"urlContext": {}}),
    ] {
        let sent = generated(&json!({
            "contents": [[{"parts": [{"file_data": {}}]}]], "tools": tools,
            "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        }));
        assert_eq!(sent, json!({"contents": [{}]}), "{tools}");
    }
}

#[test]
fn a_part_that_names_a_file_is_replaced_in_either_spelling() {
    let uri = json!({"fileUri": "https://evil.example/x", "mimeType": "video/mp4"});
    let inline = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
    let call =
        json!({"functionCall": {"name": "f", "args": {"fileData": uri}}, "thoughtSignature": "s"});
    let removed = json!({"text": REMOVED});
    let answer = |parts: Value| json!({"functionResponse": {"name": "f", "response": {"file_data": uri}, "parts": parts}});
    let sent = generated(&json!({
        "system_instruction": {"parts": [{"fileData": uri}, {"text": "be kind"}]},
        "contents": [
            {"role": "model", "parts": [call, {"text": "hm", "thought": true}]},
            {"role": "user", "file_data": uri, "parts": [
                {"fileData": uri}, {"file_data": uri}, {"text": "see", "file_data": uri},
                {"inline_data": {"mime_type": "image/png", "data": "AAAA"}},
                {"toolResponse": {"toolType": "GOOGLE_SEARCH"}}, {},
                answer(json!([inline, {"fileData": uri}, {"file_data": uri}])),
            ]},
            {"role": "user", "parts": {"file_data": uri}},
        ],
    }));
    assert_eq!(
        sent,
        json!({
            "systemInstruction": {"parts": [removed, {"text": "be kind"}]},
            "contents": [
                {"role": "model", "parts": [call, {"text": "hm", "thought": true}]},
                {"role": "user", "parts": [
                    removed, removed, {"text": "see"}, inline, removed, removed,
                    answer(json!([inline])),
                ]},
                {"role": "user", "parts": removed},
            ],
        })
    );
}

#[test]
fn a_key_in_both_spellings_is_sent_once() {
    let sent = generated(&json!({
        "contents": [{"parts": [{"text": "a"}]}],
        "generationConfig": {"maxOutputTokens": 9, "max_output_tokens": 10, "candidate_count": 8},
        "generation_config": {"candidateCount": 8},
    }));
    assert_eq!(
        sent,
        json!({
            "contents": [{"parts": [{"text": "a"}]}],
            "generationConfig": {"maxOutputTokens": 9},
        })
    );
}

#[test]
fn only_contents_are_counted() {
    let body = json!({
        "contents": [{"parts": [{"text": "a"}]}], "tools": [{"googleSearch": {}}],
        "generateContentRequest": {"contents": [{"parts": [{"fileData": {"fileUri": "x"}}]}]},
    });
    let counted = sent(Endpoint::CountGoogleTokens, &body);
    assert_eq!(counted, json!({"contents": [{"parts": [{"text": "a"}]}]}));
}

#[test]
fn the_path_says_which_model_and_whether_it_streams() {
    let body = json!({"model": "dear", "stream": true, "contents": []});
    let whole = prepared(Endpoint::Generate, &body);
    let stream = prepared(Endpoint::StreamGenerate, &json!({"contents": []}));
    assert_eq!((whole.model.as_str(), whole.stream), ("m", false));
    assert_eq!((stream.model.as_str(), stream.stream), ("m", true));
}

#[test]
fn the_ceiling_is_the_named_output_or_all_that_a_model_writes() {
    let image = json!({"inlineData": {"mimeType": "image/png", "data": "A".repeat(1 << 20)}});
    let named = json!({
        "contents": [{"parts": [image]}], "generationConfig": {"maxOutputTokens": 77},
    });
    let most = prepared(Endpoint::Generate, &named).most;
    assert_eq!(most.output, 77);
    assert!((6_000..6_200).contains(&most.input), "{}", most.input);
    for open in [json!({}), json!({"maxOutputTokens": "100"}), json!([7])] {
        let body = json!({"contents": [], "generationConfig": open});
        assert_eq!(prepared(Endpoint::Generate, &body).most.output, 65_536);
    }
}
