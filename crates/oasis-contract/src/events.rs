//! Checks the blocks of a stream of Server-Sent Events.

use crate::document::Place;
use crate::schema::check_json;

/// The events of a stream.
#[derive(Clone, Debug)]
pub struct Events {
    /// The schemas of the events, by their names.
    schemas: Place,
}

impl Events {
    pub(crate) fn new(schemas: Place) -> Self {
        Self { schemas }
    }

    /// Checks a block of the stream: its lines, without the empty line after them. The HTML standard lets a
    /// client ignore a line that it cannot parse. Here, such a line is an error.
    ///
    /// # Errors
    /// A text that says what is not as described.
    pub fn check(&self, block: &str) -> Result<(), String> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (mut name, mut data) = (None, Vec::new());
        for line in block.split('\n').filter(|line| !line.starts_with(':')) {
            match line.split_once(": ") {
                Some(("id" | "retry", value)) if is_number(value) => {}
                Some(("event", value)) if name.is_none() => name = Some(value),
                Some(("data", value)) => data.push(value),
                _ => return Err(format!("no block has the line {line:?}: {block}")),
            }
        }
        let schema = self.schemas.child(name.unwrap_or("message")).existing();
        match (name, schema) {
            (None, _) if data.is_empty() => Ok(()),
            (Some(name), _) if data.is_empty() => Err(format!("the event {name} has no data: {block}")),
            (_, Some(schema)) => check_json(&schema, data.join("\n").as_bytes()),
            (name, None) => Err(format!("the event {} is not described: {block}", name.unwrap_or("message"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        r#"{"timestamp":"2026-01-02T03:04:05.678Z","agentType":"code","level":"info","message":"a"}"#;

    fn events(path: &str) -> Events {
        let item = Place::of_path(path).unwrap();
        let answer = item.child("get").child("responses").child("200");
        Events::new(answer.child("content").child("text/event-stream").child("x-sse-events"))
    }

    #[test]
    fn a_block_must_be_as_described() {
        let events = events("/api/v1/rooms/build-2/logs");
        let problem = |block: &str| events.check(block).unwrap_err();
        events.check(&format!("id: 1\nevent: log\ndata: {LINE}")).unwrap();
        assert!(problem(&format!("event: lag\ndata: {LINE}")).contains("lag is not described"));
        assert!(problem(&format!("data: {LINE}")).contains("message is not described"));
        assert!(problem("event: log\ndata: {}").contains("is a required property"));
        let wrong = LINE.replace("678Z", "678");
        assert!(problem(&format!("event: log\ndata: {wrong}")).contains("/timestamp"));
    }

    #[test]
    fn a_block_may_have_no_event() {
        let events = events("/api/v1/rooms/build-2/logs");
        for block in [": a comment", ":", "id: 7", "retry: 3000", ": a comment\nid: 7"] {
            events.check(block).unwrap();
        }
    }

    #[test]
    fn each_line_must_have_a_known_form() {
        let events = events("/api/v1/rooms/build-2/logs");
        for line in [
            "",
            " : a comment",
            "id:7",
            "id: ",
            "id: -7",
            "retry: soon",
            "Event: log",
            "data:{}",
            "name: log",
        ] {
            let problem = events.check(&format!("id: 7\n{line}\nevent: log\ndata: {LINE}")).unwrap_err();
            assert!(problem.contains("no block has the line"), "{line:?}: {problem}");
        }
        let twice = events.check(&format!("event: log\nevent: log\ndata: {LINE}")).unwrap_err();
        assert!(twice.contains("no block has the line \"event: log\""), "{twice}");
    }

    #[test]
    fn an_event_needs_data() {
        let events = events("/api/v1/rooms/build-2/logs");
        for block in ["event: log", "id: 7\nevent: lag"] {
            assert!(events.check(block).unwrap_err().contains("has no data"), "{block}");
        }
    }

    #[test]
    fn several_lines_of_data_are_one_text() {
        let events = events("/api/v1/rooms/build-2/logs");
        let (before, after) = LINE.split_at(1);
        events.check(&format!("event: log\ndata: {before}\ndata: {after}")).unwrap();
        assert!(events.check(&format!("event: log\ndata: {LINE}\ndata: 7")).is_err());
    }

    #[test]
    fn an_event_without_a_name_is_a_message() {
        let heartbeat = r#"{"type":"heartbeat","ts":"2026-01-02T03:04:05.678Z"}"#;
        let events = events("/api/v1/devhub/feed");
        events.check(&format!("data: {heartbeat}")).unwrap();
        assert!(events.check("data: {}").is_err());
    }
}
