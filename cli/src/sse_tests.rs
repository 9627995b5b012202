//! Tests of the event stream parser.

use proptest::prelude::*;

use super::*;

fn parse(stream: impl AsRef<[u8]>) -> Vec<(String, Option<String>, String)> {
    let mut parser = Parser::new("");
    parser.push(stream.as_ref()).unwrap();
    blocks(&mut parser)
}

fn blocks(parser: &mut Parser) -> Vec<(String, Option<String>, String)> {
    std::iter::from_fn(|| parser.next_block()).map(|block| (block.event, block.data, block.id)).collect()
}

fn block(event: &str, data: Option<&str>, id: &str) -> (String, Option<String>, String) {
    (event.to_owned(), data.map(str::to_owned), id.to_owned())
}

#[test]
fn the_examples_of_the_standard_are_parsed() {
    assert_eq!(parse("data: YHOO\ndata: +2\ndata: 10\n\n"), [block("", Some("YHOO\n+2\n10"), "")]);
    assert_eq!(
        parse(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"),
        [
            block("", Some("first event"), "1"),
            block("", Some("second event"), ""),
            block("", Some(" third event"), "")
        ]
    );
    assert_eq!(parse("data\n\ndata\ndata\n\ndata:"), [block("", Some(""), ""), block("", Some("\n"), "")]);
    assert_eq!(
        parse("data:test\n\ndata: test\n\nevent: add\ndata: 1\n\n"),
        [block("", Some("test"), ""), block("", Some("test"), ""), block("add", Some("1"), "")]
    );
}

#[test]
fn a_line_ends_with_lf_cr_or_crlf() {
    for end in ["\n", "\r", "\r\n"] {
        let stream = ["id: 7", "data: a", "data: b", "", "data: c", "", ""].join(end);
        assert_eq!(parse(stream), [block("", Some("a\nb"), "7"), block("", Some("c"), "7")], "{end:?}");
    }
    assert_eq!(parse("data: a\r\n\rdata: b\n\r"), [block("", Some("a"), ""), block("", Some("b"), "")]);
}

#[test]
fn an_id_counts_only_after_its_block_is_complete() {
    let mut parser = Parser::new("5");
    parser.push(b"data: {}\n\nid: 6\ndata: half").unwrap();
    assert_eq!(blocks(&mut parser), [block("", Some("{}"), "5")]);
    assert_eq!(parser.next_block(), None);
}

#[test]
fn a_block_with_only_an_id_moves_the_cursor() {
    assert_eq!(
        parse("id: 8\n\nid: 8\n\nid: a\0b\n\nid: 9\nevent: x\n\n"),
        [block("", None, "8"), block("x", None, "9")]
    );
}

#[test]
fn an_event_name_applies_only_to_its_block() {
    assert_eq!(parse("event: x\n\ndata: a\n\n"), [block("", Some("a"), "")]);
}

#[test]
fn retry_accepts_only_digits() {
    let retry = |stream: &str| {
        let mut parser = Parser::new("");
        parser.push(stream.as_bytes()).unwrap();
        assert_eq!(parser.next_block(), None);
        parser.take_retry()
    };
    assert_eq!(retry("retry: 2500\n"), Some(Duration::from_millis(2_500)));
    assert_eq!(retry("retry: 99999999999999999999\n"), Some(Duration::from_millis(u64::MAX)));
    for bad in ["retry: +5\n", "retry: 1.5\n", "retry:\n", "retry: 5 \n", "retry: 5"] {
        assert_eq!(retry(bad), None, "{bad:?}");
    }
}

#[test]
fn a_byte_order_mark_is_skipped_once() {
    assert_eq!(parse("\u{feff}data: a\n\n\u{feff}data: b\n\n"), [block("", Some("a"), "")]);
}

#[test]
fn bad_utf_8_is_replaced() {
    assert_eq!(parse(b"data: a\xffb\n\n"), [block("", Some("a\u{fffd}b"), "")]);
}

#[test]
fn a_line_or_a_block_that_is_too_long_is_an_error() {
    let piece = [b'a'; 1_000];
    let pushed = |head: &[u8], tail: &[u8]| {
        let mut parser = Parser::new("");
        (0..=MAX_BYTES / 900).try_for_each(|_| {
            parser.push(head)?;
            parser.push(&piece)?;
            parser.push(tail)
        })
    };
    assert_eq!(pushed(b"", b""), Err(TooLong));
    assert_eq!(pushed(b"data: ", b"\n"), Err(TooLong));
    assert_eq!(pushed(b": ", b"\n"), Ok(()));
    assert_eq!(pushed(b"data: ", b"\n\n"), Ok(()));
}

/// A line of a stream: a field or a comment of the standard, or any other text.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        ".{0,12}".prop_map(|text| format!("data: {text}")),
        "[0-9\\x00]{0,3}".prop_map(|text| format!("id: {text}")),
        "[a-zé]{0,4}".prop_map(|text| format!("event:{text}")),
        "[0-9a]{0,4}".prop_map(|text| format!("retry: {text}")),
        ".{0,8}".prop_map(|text| format!(":{text}")),
        ".{0,8}",
    ]
}

proptest! {
    #[test]
    fn the_blocks_are_the_same_however_the_bytes_are_split(
        lines in proptest::collection::vec((line(), prop_oneof!["\n", "\r", "\r\n"]), 0..40),
        cuts in proptest::collection::vec(1_usize..9, 1..60),
    ) {
        let stream: String = lines.iter().flat_map(|(line, end)| [line.as_str(), end.as_str()]).collect();
        let whole = parse(&stream);
        let mut parser = Parser::new("");
        let mut rest = stream.as_bytes();
        let mut cuts = cuts.iter().cycle();
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            parser.push(chunk).unwrap();
            pieces.extend(blocks(&mut parser));
            rest = after;
        }
        prop_assert_eq!(pieces, whole);
    }

    #[test]
    fn the_blocks_that_a_server_writes_are_read(
        sent in proptest::collection::vec(("[^\r\n]{1,30}(\n[^\r\n]{0,30}){0,2}", 1_u32..999), 0..12),
    ) {
        let mut stream = String::new();
        for (data, id) in &sent {
            let data: String = data.split('\n').map(|line| format!("data: {line}\n")).collect();
            stream.push_str(&format!("id: {id}\n{data}\n"));
        }
        let expected: Vec<_> = sent.iter().map(|(data, id)| block("", Some(data), &id.to_string())).collect();
        prop_assert_eq!(parse(&stream), expected);
    }

    #[test]
    fn any_bytes_are_accepted(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        parse(bytes);
    }
}
