use serde_json::json;

use super::*;

fn read(endpoint: Endpoint, streamed: bool, text: &str) -> Reading {
    let mut reader = UsageReader::new(endpoint, streamed);
    for piece in text.as_bytes().chunks(7) {
        reader.read(piece);
    }
    reader.finish()
}

fn events(events: &[Value]) -> String {
    events
        .iter()
        .map(|event| format!("event: x\ndata: {event}\n\n"))
        .collect()
}

const FIGURES: Usage = Usage {
    input: 300,
    output: 60,
    cache_read: 3_500,
    cache_write: 200,
};

#[test]
fn anthropics_figures_are_those_of_the_last_delta_over_the_start() {
    let start = json!({"type": "message_start", "message": {"usage": {
        "input_tokens": 300, "cache_creation_input_tokens": 200,
        "cache_read_input_tokens": 3_500, "output_tokens": 1,
    }}});
    let delta =
        json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "abc"}});
    let stop = json!({"type": "message_stop"});
    for last in [
        json!({"output_tokens": 60}),
        json!({"input_tokens": 300, "output_tokens": 60, "cache_read_input_tokens": 3_500}),
    ] {
        let last = json!({"type": "message_delta", "delta": {}, "usage": last});
        let text = events(&[start.clone(), delta.clone(), last, stop.clone()]);
        let reading = read(Endpoint::Messages, true, &text);
        assert_eq!(reading.usage, Some(FIGURES));
        assert!(reading.ended && reading.error.is_none());
    }
    let cut = read(Endpoint::Messages, true, &events(&[start, delta]));
    assert_eq!(cut.usage, None);
    assert_eq!(cut.so_far.map(|usage| usage.input), Some(300));
    assert!(!cut.ended && cut.seen > 0);
}

#[test]
fn openais_input_is_freed_of_what_the_cache_did() {
    let responses = json!({
        "input_tokens": 4_000, "output_tokens": 60,
        "input_tokens_details": {"cached_tokens": 3_500, "cache_write_tokens": 200},
    });
    let chat = json!({
        "prompt_tokens": 4_000, "completion_tokens": 60,
        "prompt_tokens_details": {"cached_tokens": 3_500, "cache_write_tokens": 200},
    });
    let response = json!({"type": "response.completed", "response": {"usage": responses}});
    let stream = events(&[
        json!({"type": "response.created", "response": {"usage": null}}),
        response,
    ]);
    let chunk = json!({"choices": [], "usage": chat});
    let first = json!({"choices": [{"delta": {"content": "hi"}}], "usage": null});
    let chunks = events(&[first, chunk]) + "data: [DONE]\n\n";
    for reading in [
        read(Endpoint::Responses, true, &stream),
        read(
            Endpoint::Responses,
            false,
            &json!({"usage": responses}).to_string(),
        ),
        read(Endpoint::ChatCompletions, true, &chunks),
        read(
            Endpoint::ChatCompletions,
            false,
            &json!({"usage": chat}).to_string(),
        ),
    ] {
        assert_eq!(reading.usage, Some(FIGURES));
        assert!(reading.ended);
    }
}

#[test]
fn figures_that_contradict_each_other_do_not_wrap_around() {
    let usage = json!({"input_tokens": 1, "output_tokens": u64::MAX,
        "input_tokens_details": {"cached_tokens": 9}});
    let reading = read(
        Endpoint::Responses,
        false,
        &json!({"usage": usage}).to_string(),
    );
    assert_eq!(reading.usage.map(|usage| usage.input), Some(0));
}

#[test]
fn an_answer_without_figures_is_told_from_one_that_broke_off() {
    let chunk = json!({"choices": [{"delta": {"content": "123456789"}}]});
    let ended = events(std::slice::from_ref(&chunk)) + "data: [DONE]\n\n";
    let reading = read(Endpoint::ChatCompletions, true, &ended);
    assert_eq!(
        (reading.usage, reading.ended, reading.seen),
        (None, true, 3)
    );
    let reading = read(Endpoint::ChatCompletions, true, &events(&[chunk]));
    assert!(!reading.ended);
    assert!(!read(Endpoint::Messages, false, "<html>").ended);
    assert!(!read(Endpoint::Messages, false, "{\"content\":").ended);
}

#[test]
fn an_error_in_the_stream_is_kept() {
    let failed =
        json!({"type": "response.failed", "response": {"error": {"code": "insufficient_quota"}}});
    let reading = read(Endpoint::Responses, true, &events(&[failed]));
    assert_eq!(reading.error.unwrap()["code"], "insufficient_quota");
    let overloaded = json!({"type": "error", "error": {"type": "overloaded_error"}});
    let reading = read(Endpoint::Messages, true, &events(&[overloaded]));
    assert_eq!(reading.error.unwrap()["type"], "overloaded_error");
}
