//! Tests that lines of output become lines of a room.

use oasis_core::Vtid;
use oasis_core::room::{AgentType, RoomId};
use proptest::prelude::*;

use super::*;

fn defaults() -> LogLine {
    LogLine {
        ts: "2026-01-02T03:04:05Z".parse().unwrap(),
        task: Task::Vtid(Vtid::parse("DEV-CICDL-0031").unwrap()),
        agent_type: AgentType::parse("code").unwrap(),
        level: LogLevel::Warn,
        message: String::new(),
        metadata: None,
    }
}

fn read(text: impl AsRef<[u8]>) -> LogLine {
    read_line(&RawLine { bytes: text.as_ref().to_vec(), cut: 0 }, defaults())
}

fn is_storable(line: LogLine) -> bool {
    line.into_event(&RoomId::parse("r").unwrap()).is_ok()
}

#[test]
fn text_is_the_message_and_keeps_its_colours() {
    let line = read("\x1b[31mno such file\x1b[0m");
    assert_eq!(line, LogLine { message: "\x1b[31mno such file\x1b[0m".into(), ..defaults() });
    assert_eq!(
        to_wire(&line),
        json!({
            "timestamp": "2026-01-02T03:04:05.000Z", "agentType": "code", "level": "warn",
            "message": "\x1b[31mno such file\x1b[0m", "vtid": "DEV-CICDL-0031"
        })
    );
    assert_eq!(read("").message, "");
    assert_eq!(to_wire(&LogLine { task: Task::Idle, ..defaults() }).get("vtid"), None);
}

#[test]
fn what_cannot_be_stored_is_replaced() {
    assert_eq!(read(b"a\xff\0b").message, "a\u{fffd}\u{fffd}b");
    let line = read(r#"{"msg":"a\u0000b\ud800","level":"info","x\u0000":"\u0000"}"#);
    assert_eq!(line.message, "a\u{fffd}b\u{fffd}");
    assert!(is_storable(line));
}

#[test]
fn the_members_of_a_json_line_become_the_values_of_the_line() {
    let line = read(r#" {"level":"error","msg":"boom","time":"2026-01-01T00:00:00.5Z","attempt":3} "#);
    assert_eq!((line.level, line.message.as_str()), (LogLevel::Error, "boom"));
    assert_eq!(line.ts.to_string(), "2026-01-01T00:00:00.500Z");
    assert_eq!(to_wire(&line)["metadata"], json!({"attempt": 3}));
    // The formats of Google Cloud and of pino.
    let line = read(r#"{"severity":"WARNING","message":"slow","timestamp":"2026-01-01T00:00:00Z"}"#);
    assert_eq!((line.level, line.metadata), (LogLevel::Warn, None));
    let line = read(r#"{"level":50,"time":1767225600123,"pid":7,"msg":"boom"}"#);
    assert_eq!((line.level, line.ts.to_string().as_str()), (LogLevel::Error, "2026-01-01T00:00:00.123Z"));
    // zap writes Unix times in seconds.
    assert_eq!(
        read(r#"{"level":"info","ts":1767225600.5,"msg":""}"#).ts.to_string(),
        "2026-01-01T00:00:00.500Z"
    );
}

#[test]
fn members_that_are_more_precise_than_the_line_stay_in_the_metadata() {
    let line = read(r#"{"level":"debug","msg":"m","message":"n","time":"soon"}"#);
    assert_eq!((line.level, line.message.as_str(), line.ts), (LogLevel::Info, "n", defaults().ts));
    assert_eq!(to_wire(&line)["metadata"], json!({"level": "debug", "msg": "m", "time": "soon"}));
    let line = read(r#"{"level":"loud","msg":"m"}"#);
    assert_eq!((line.level, &to_wire(&line)["metadata"]), (LogLevel::Warn, &json!({"level": "loud"})));
    let base = json!({"host": "a", "n": 1}).as_object().cloned();
    let raw = RawLine { bytes: br#"{"level":"info","msg":"m","n":2}"#.to_vec(), cut: 0 };
    let line = read_line(&raw, LogLine { metadata: base, ..defaults() });
    assert_eq!(to_wire(&line)["metadata"], json!({"host": "a", "n": 2}));
}

#[test]
fn json_without_a_message_or_a_level_is_text() {
    for text in [
        r#"{"msg":"no level"}"#,
        r#"{"level":"info"}"#,
        r#"{"level":"info","msg":7}"#,
        r#"["level","msg"]"#,
        "{level: info, msg: x}",
        "{}",
        "null",
    ] {
        let line = read(text);
        assert_eq!((line.message.as_str(), line.level), (text, LogLevel::Warn), "{text}");
    }
}

#[test]
fn a_long_message_is_cut_between_two_characters_and_marked() {
    let line = read("é".repeat(5_000));
    assert!(line.message.len() <= MOST_MESSAGE_BYTES, "{}", line.message.len());
    let (kept, mark) = line.message.split_at(line.message.find('…').unwrap());
    assert_eq!(mark, format!("… ({} bytes cut)", 10_000 - kept.len()));
    assert!(is_storable(line));
    let exact = "x".repeat(MOST_MESSAGE_BYTES);
    assert_eq!(read(&exact).message, exact);
    // Each of these characters needs six bytes as an escape.
    let line = read("\u{1}".repeat(5_000));
    assert!(line.message.ends_with("bytes cut)") && line.message.len() > 2_000);
    assert!(is_storable(line));
    let raw = RawLine { bytes: b"abc".to_vec(), cut: 1_000_000 };
    assert_eq!(read_line(&raw, defaults()).message, "abc… (1000000 bytes cut)");
}

#[test]
fn metadata_that_is_too_large_is_left_out() {
    let line = read(format!(r#"{{"level":"info","msg":"m","a":"{}"}}"#, "\\u0001".repeat(3_000)));
    assert_eq!(to_wire(&line)["metadata"], json!({"truncated": true}));
    assert!(is_storable(line));
}

proptest! {
    #[test]
    fn every_line_can_be_stored(
        bytes in proptest::collection::vec(any::<u8>(), 0..20_000), cut in any::<u32>(),
    ) {
        let raw = RawLine { bytes, cut: cut as usize };
        prop_assert!(is_storable(read_line(&raw, defaults())));
    }

    #[test]
    fn every_json_line_can_be_stored(message in ".{0,4000}", key in ".{0,100}", text in ".{0,4000}") {
        let object = json!({"level": "info", "msg": message, key: text});
        prop_assert!(is_storable(read(object.to_string())));
    }
}
