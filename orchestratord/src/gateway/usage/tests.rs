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

fn piece(text: &str, figures: &Value) -> Value {
    json!({"candidates": [{"content": {"parts": [{"text": text}]}}], "usageMetadata": figures})
}

fn last_piece(figures: &Value) -> Value {
    let mut piece = piece("", figures);
    piece["candidates"][0]["finishReason"] = "STOP".into();
    piece
}

#[test]
fn googles_figures_are_those_of_the_last_piece_in_every_form() {
    let first = piece(
        "abc",
        &json!({"promptTokenCount": 3_800, "totalTokenCount": 3_800}),
    );
    let last = last_piece(&json!({
        "promptTokenCount": 3_700, "cachedContentTokenCount": 3_500, "toolUsePromptTokenCount": 100,
        "candidatesTokenCount": 40, "thoughtsTokenCount": 20, "totalTokenCount": 3_860,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 3_700}],
    }));
    let expected = Usage {
        cache_write: 0,
        ..FIGURES
    };
    let pieces = [first.clone(), last.clone()];
    let whole = read(Endpoint::Generate, false, &last.to_string());
    assert_eq!((whole.usage, whole.ended), (Some(expected), true));
    // What a later piece says less of was said before.
    let expected = Usage {
        input: 3_800,
        ..expected
    };
    let array = serde_json::to_string_pretty(&pieces).unwrap();
    for (streamed, text) in [(true, events(&pieces)), (false, array)] {
        let reading = read(Endpoint::StreamGenerate, streamed, &text);
        assert_eq!((reading.usage, reading.ended), (Some(expected), true));
        assert!(reading.error.is_none() && reading.seen == 1);
    }
}

#[test]
fn a_stream_of_googles_that_broke_off_has_the_figures_so_far() {
    let first = piece(
        "some words",
        &json!({"promptTokenCount": 300, "candidatesTokenCount": 7}),
    );
    let cut = format!("[{first}\n,\n{{\"candidates\": [{{\"content\"");
    for (streamed, text) in [(true, events(&[first])), (false, cut)] {
        let reading = read(Endpoint::StreamGenerate, streamed, &text);
        assert_eq!((reading.usage, reading.ended), (None, false));
        let so_far = reading.so_far.unwrap();
        assert_eq!((so_far.input, so_far.output, reading.seen), (300, 7, 4));
    }
}

#[test]
fn a_prompt_that_google_blocks_has_ended_and_an_error_in_the_stream_is_kept() {
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 9}});
    let reading = read(Endpoint::StreamGenerate, true, &events(&[blocked]));
    assert_eq!(reading.usage.map(|usage| usage.input), Some(9));
    let failed = json!({"error": {"code": 503, "status": "UNAVAILABLE"}});
    for (streamed, text) in [
        (true, events(std::slice::from_ref(&failed))),
        (false, json!([failed]).to_string()),
    ] {
        let reading = read(Endpoint::StreamGenerate, streamed, &text);
        assert_eq!(reading.error.unwrap()["status"], "UNAVAILABLE");
    }
}

/// Figures as nobody should send them: what is no whole number is none, and nothing wraps around.
#[test]
fn hostile_figures_of_googles_never_wrap_around_and_never_count_less_than_nothing() {
    let most = u64::MAX;
    for (figures, input, output, cached) in [
        (
            json!({"promptTokenCount": 1, "cachedContentTokenCount": 9}),
            0,
            0,
            9,
        ),
        (
            json!({"promptTokenCount": most, "toolUsePromptTokenCount": most}),
            most,
            0,
            0,
        ),
        (
            json!({"candidatesTokenCount": most, "thoughtsTokenCount": 2}),
            0,
            most,
            0,
        ),
        (
            json!({"promptTokenCount": "12", "candidatesTokenCount": 3}),
            0,
            3,
            0,
        ),
        (
            json!({"promptTokenCount": -4, "candidatesTokenCount": 3}),
            0,
            3,
            0,
        ),
        (
            json!({"promptTokenCount": 1e300, "candidatesTokenCount": 3}),
            0,
            3,
            0,
        ),
        (
            json!({"promptTokenCount": 5, "candidatesTokenCount": 2.5}),
            5,
            0,
            0,
        ),
        (
            json!({"promptTokenCount": 5, "cachedContentTokenCount": [9]}),
            5,
            0,
            0,
        ),
        (
            json!({"promptTokenCount": 5, "thoughtsTokenCount": {"a": 1}}),
            5,
            0,
            0,
        ),
    ] {
        let text = last_piece(&figures).to_string();
        for (endpoint, streamed, text) in [
            (Endpoint::Generate, false, text.clone()),
            (Endpoint::StreamGenerate, true, format!("data: {text}\n\n")),
            (Endpoint::StreamGenerate, false, format!("[{text}]")),
        ] {
            let found = read(endpoint, streamed, &text).usage.unwrap();
            let found = (found.input, found.output, found.cache_read);
            assert_eq!(found, (input, output, cached), "{figures}");
        }
    }
}

#[test]
fn what_holds_no_figures_of_googles_counts_nothing() {
    for nothing in [
        json!(null),
        json!([]),
        json!(7),
        json!({}),
        json!({"promptTokenCount": null}),
        json!({"totalTokenCount": 9}),
        json!({"promptTokenCount": "x"}),
    ] {
        let reading = read(Endpoint::Generate, false, &last_piece(&nothing).to_string());
        assert_eq!((reading.usage, reading.ended), (None, true));
    }
    for garbage in [
        "",
        "[",
        "{",
        "[{",
        "]{",
        "{}{",
        "<html>",
        "data: {\"a\"",
        "[[[[{",
    ] {
        for streamed in [true, false] {
            let reading = read(Endpoint::StreamGenerate, streamed, garbage);
            assert_eq!((reading.usage, reading.ended), (None, false), "{garbage}");
        }
    }
}
