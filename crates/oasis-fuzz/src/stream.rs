//! The parser of event streams in the command line.

use std::time::Duration;

use crate::sse::{Block, Parser};

/// Where the connection resumes.
const RESUMED: &str = "41";
/// Longer streams would make the target slow. Tests of the parser check its limits.
const MOST: usize = 8 << 10;

/// The input is the body of an answer. The blocks must be those of the standard, however the bytes are split.
pub fn stream(data: &[u8]) {
    let data = &data[..data.len().min(MOST)];
    let whole = parsed(data, usize::MAX);
    for size in [1, 2, 3, 7] {
        assert_eq!(parsed(data, size), whole, "in pieces of {size} bytes");
    }
    let (blocks, retry) = whole;
    assert_eq!((blocks.clone(), retry), by_the_standard(data));
    assert_eq!(parsed(printed(&blocks).as_bytes(), usize::MAX).0, blocks);
}

/// Parses a stream that arrives in pieces of `size` bytes. Returns the blocks and the last retry time.
fn parsed(data: &[u8], size: usize) -> (Vec<Block>, Option<Duration>) {
    let (mut parser, mut blocks, mut retry) = (Parser::new(RESUMED), Vec::new(), None);
    for piece in data.chunks(size) {
        parser.push(piece).unwrap();
        retry = parser.take_retry().or(retry);
        blocks.extend(std::iter::from_fn(|| parser.next_block()));
    }
    (blocks, retry)
}

/// Interprets a whole stream as the HTML standard describes it. Three things differ: a block without data
/// counts if it moves the cursor, and an id is ignored if it is long or has control characters.
fn by_the_standard(data: &[u8]) -> (Vec<Block>, Option<Duration>) {
    let text = String::from_utf8_lossy(data);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n").replace('\r', "\n");
    // A line without an end is not complete.
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = complete.split('\n').filter(|_| text.contains('\n'));
    let (mut blocks, mut retry) = (Vec::new(), None);
    let (mut event, mut data, mut id) = (String::new(), Vec::new(), RESUMED.to_owned());
    let mut cursor = id.clone();
    for line in lines {
        if line.is_empty() {
            let data = Some(std::mem::take(&mut data)).filter(|lines| !lines.is_empty());
            let event = std::mem::take(&mut event);
            if data.is_some() || cursor != id {
                cursor.clone_from(&id);
                blocks.push(Block {
                    event,
                    data: data.map(|lines: Vec<&str>| lines.join("\n")),
                    id: id.clone(),
                });
            }
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut event),
            "data" => data.push(value),
            "id" if value.len() <= 64 && !value.contains(char::is_control) => value.clone_into(&mut id),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty() => {
                retry = Some(Duration::from_millis(value.parse().unwrap_or(u64::MAX)));
            }
            _ => {}
        }
    }
    (blocks, retry)
}

/// Prints blocks as a server sends them.
fn printed(blocks: &[Block]) -> String {
    let mut text = String::new();
    for block in blocks {
        text.push_str(&format!("event: {}\nid: {}\n", block.event, block.id));
        for line in block.data.iter().flat_map(|data| data.split('\n')) {
            text.push_str(&format!("data: {line}\n"));
        }
        text.push('\n');
    }
    text
}
