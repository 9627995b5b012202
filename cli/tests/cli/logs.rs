//! Tests `oasis logs` and `oasis emit-log` against gateways that break, refuse requests and send hostile
//! lines.

use serde_json::Value;

use crate::fake::{Answer, Then, serve};
use crate::process::{NOBODY, oasis};

const EMPTY: &str = r#"{"roomId":"r","lines":[],"cursor":null,"more":false}"#;
const CONNECTED: &str =
    "retry: 1\n\nevent: connected\ndata: {\"roomId\":\"r\",\"timestamp\":\"2026-01-02T03:04:05.678Z\"}\n\n";

fn line(id: usize) -> String {
    format!(
        "id: {id}\nevent: log\ndata: {{\"timestamp\":\"2026-01-02T03:04:05.678Z\",\"agentType\":\"code\",\
         \"level\":\"info\",\"message\":\"é-{id}\"}}\n\n"
    )
}

fn close(reason: &str) -> String {
    format!("event: close\ndata: {{\"message\":\"told\",\"reason\":\"{reason}\"}}\n\n")
}

#[test]
fn a_stream_that_breaks_anywhere_neither_loses_nor_repeats_a_line() {
    const LINES: usize = 200;
    let gateway = serve(|number, request| {
        if request.header("accept") == Some("application/json") {
            return Answer::json("200 OK", EMPTY);
        }
        let after = request.header("last-event-id").map_or(0, |id| id.parse().unwrap());
        let lines: String = (after + 1..=LINES).map(line).collect();
        let limit = CONNECTED.len() + 150 + number * 37 % 701;
        Answer::chunked(&format!("{CONNECTED}{lines}{}", close("closed")), 1 + number * 13 % 97, limit)
    });
    let done = oasis(&["logs", "r", "-f", "--json", "--url", &gateway.url]).finish();
    assert_eq!(done.code, 0, "{}", done.stderr);
    let lines: Vec<Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), LINES);
    for (nth, line) in lines.iter().enumerate() {
        assert_eq!((&line["id"], &line["message"]), (&(nth + 1).into(), &format!("é-{}", nth + 1).into()));
    }
    let requests = gateway.requests();
    assert_eq!(requests[1].line, "GET /api/v1/rooms/r/logs?tail=1000");
    assert!(requests.len() > 20);
}

#[test]
fn the_stream_starts_after_the_last_line_of_the_page() {
    let page = r#"{"roomId":"r","lines":[{"id":41,"level":"error","message":"a\u001b[2J\u001b[31mb\nc"}],
                   "cursor":41,"more":false}"#;
    let gateway = serve(move |_, request| {
        if request.header("accept") == Some("application/json") {
            return Answer::json("200 OK", page);
        }
        let gap = "event: gap\ndata: {\"from\":41,\"to\":50,\"reason\":\"pruned\"}\n\n";
        Answer::feed(&format!("{CONNECTED}{gap}{}{}", line(51), close("closed")), Then::Silence)
    });
    let flags = ["logs", "r", "-f", "--url", &gateway.url, "--utc"];
    let done = oasis(&flags).env("READ_TOKEN", "hush").finish();
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(
        done.stdout,
        "-  error                  ab\n    c\n2026-01-02 03:04:05  info     code          é-51\n"
    );
    assert!(done.stderr.contains("gap: the lines after 41, up to 50, were deleted"), "{}", done.stderr);
    let requests = gateway.requests();
    assert_eq!(requests[1].header("last-event-id"), Some("41"));
    assert!(requests.iter().all(|request| request.header("authorization") == Some("Bearer hush")));
    // Only colours reach a terminal.
    let done = oasis(&[&["--color", "always"], &flags[..]].concat()).finish();
    assert!(done.stdout.contains("a\x1b[31mb\n    c\x1b[0m"), "{:?}", done.stdout);
}

#[test]
fn it_is_an_error_if_the_right_to_read_ends_but_not_if_the_gateway_restarts() {
    for (reason, code, part) in [
        ("token_expired", 1, "room r: told\n  hint: get another token"),
        ("revoked", 1, "room r: told\n  hint: ask the owner"),
        ("refused", 1, "room r: told\n  hint: ask the owner"),
        ("shutdown", 0, "told\n"),
        ("timeout", 0, "told\n"),
    ] {
        let gateway = serve(move |number, _| match number {
            0 => Answer::json("200 OK", EMPTY),
            1 => Answer::feed(&format!("{CONNECTED}{}", close(reason)), Then::Close),
            _ => Answer::feed(&format!("{CONNECTED}{}", close("closed")), Then::Silence),
        });
        let done = oasis(&["logs", "r", "-f", "--url", &gateway.url]).finish();
        assert_eq!(done.code, code, "{reason}: {}", done.stderr);
        assert!(done.stderr.contains(part), "{reason}: {}", done.stderr);
    }
}

#[test]
fn lines_that_fail_are_sent_again_with_the_same_key() {
    let unknown = r#"{"error":{"code":"outcome_unknown","message":"The answer was lost."}}"#;
    let gateway = serve(move |number, _| match number {
        0 => Answer::json("201 Created", r#"{"accepted":1000,"lastId":1}"#),
        1 => Answer::json("503 Service Unavailable", unknown),
        2 => Answer { parts: vec![b"HTTP/1.1 201".to_vec()], then: Then::Close },
        3 => Answer::json("201 Created", r#"{"accepted":500,"lastId":2}"#),
        _ => unreachable!(),
    });
    let input = "x\n".repeat(1_500);
    let done = oasis(&["emit-log", "r", "--url", &gateway.url]).finish_with(input.as_bytes());
    assert_eq!(done.code, 0, "{}", done.stderr);
    let requests = gateway.requests();
    let key = |nth: usize| requests[nth].header("idempotency-key").unwrap();
    assert!(key(0) != key(1) && key(1) == key(2) && key(2) == key(3));
    let count = |nth: usize| serde_json::from_slice::<Vec<Value>>(&requests[nth].body).unwrap().len();
    assert_eq!([0, 1, 2, 3].map(count), [1_000, 500, 500, 500]);
    assert_eq!(done.stderr.matches("trying again").count(), 2, "{}", done.stderr);
}

#[test]
fn a_refusal_in_the_middle_reports_how_many_lines_are_stored() {
    let closed = r#"{"error":{"code":"room_closed","message":"the room r is closed"}}"#;
    let gateway = serve(move |number, _| match number {
        0 => Answer::json("201 Created", r#"{"accepted":1000,"lastId":1}"#),
        _ => Answer::json("409 Conflict", closed),
    });
    let input = "x\n".repeat(1_500);
    let done = oasis(&["emit-log", "r", "--url", &gateway.url]).finish_with(input.as_bytes());
    assert_eq!(done.code, 1);
    assert_eq!(
        done.stderr,
        "error: room r (after 1000 stored lines): the room r is closed (409 room_closed)\n"
    );
}

#[test]
fn a_gateway_that_does_not_answer_at_first_is_an_error() {
    for flags in [&["emit-log", "r", "x"][..], &["logs", "r"], &["logs", "r", "-f"], &["rooms"]] {
        let done = oasis(&[flags, &["--url", NOBODY]].concat()).finish();
        assert_eq!(done.code, 1);
        assert!(done.stderr.contains("tried: http://127.0.0.1:"), "{flags:?}: {}", done.stderr);
    }
}
