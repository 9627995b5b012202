//! [`Splitter`]: splits a stream of bytes into lines of bounded length.

/// The maximum number of bytes of a line that are kept. A line of a room has at most this size, so further
/// bytes could not be stored.
pub const MOST_RAW_BYTES: usize = 16 << 10;

/// A line as a command has written it, without its line end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawLine {
    /// The first bytes of the line, up to [`MOST_RAW_BYTES`].
    pub bytes: Vec<u8>,
    /// The number of further bytes, which were not kept.
    pub cut: usize,
}

/// Splits a stream of bytes into lines. The bytes may arrive in pieces of any size.
///
/// A line ends with LF or CRLF. After a single CR, the line begins again, as on a terminal. So a progress bar
/// becomes one line with its last state.
#[derive(Debug, Default)]
pub struct Splitter {
    line: RawLine,
    /// Whether the last byte was a CR.
    after_cr: bool,
}

impl Splitter {
    /// Handles the next bytes, and calls `each` with each line that these bytes complete.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(RawLine)) {
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.after_cr) && !matches!(first, b'\r' | b'\n') {
                self.line = RawLine::default();
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            self.keep(&bytes[..end.unwrap_or(bytes.len())]);
            let Some(end) = end else { return };
            match bytes[end] {
                b'\r' => self.after_cr = true,
                _ => each(std::mem::take(&mut self.line)),
            }
            bytes = &bytes[end + 1..];
        }
    }

    /// Whether there is no unfinished line.
    pub fn is_empty(&self) -> bool {
        self.line == RawLine::default()
    }

    /// The last line, if the stream does not end with a line end.
    pub fn finish(&mut self) -> Option<RawLine> {
        let line = std::mem::take(self).line;
        (line != RawLine::default()).then_some(line)
    }

    fn keep(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(MOST_RAW_BYTES - self.line.bytes.len());
        self.line.bytes.extend_from_slice(&bytes[..kept]);
        self.line.cut += bytes.len() - kept;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(parts: &[&[u8]]) -> Vec<String> {
        let mut splitter = Splitter::default();
        let mut lines = Vec::new();
        for part in parts {
            splitter.push(part, |line| lines.push(line));
        }
        lines.extend(splitter.finish());
        lines.iter().map(|line| String::from_utf8_lossy(&line.bytes).into_owned()).collect()
    }

    #[test]
    fn a_line_ends_with_lf_or_crlf_or_at_the_end_of_the_stream() {
        assert_eq!(lines(&[b"a\nb\r\n\n", b"c\r", b"\nd"]), ["a", "b", "", "c", "d"]);
        assert_eq!(lines(&[b""]), [""; 0]);
        assert_eq!(lines(&[b"a\r\r\n", b"b\r"]), ["a", "b"]);
    }

    #[test]
    fn a_progress_bar_becomes_one_line_with_its_last_state() {
        assert_eq!(lines(&[b"10 %\r50 %", b"\r", b"100 %\ndone\n"]), ["100 %", "done"]);
    }

    #[test]
    fn a_long_line_is_cut_and_the_missing_bytes_are_counted() {
        let mut splitter = Splitter::default();
        let mut lines = Vec::new();
        for _ in 0..3 {
            splitter.push(&[b'x'; MOST_RAW_BYTES], |line| lines.push(line));
        }
        splitter.push(b"y\nz\n", |line| lines.push(line));
        assert_eq!((lines[0].bytes.len(), lines[0].cut), (MOST_RAW_BYTES, 2 * MOST_RAW_BYTES + 1));
        assert_eq!(lines[1], RawLine { bytes: b"z".to_vec(), cut: 0 });
    }

    proptest! {
        #[test]
        fn the_lines_do_not_depend_on_where_the_bytes_are_cut(
            text in "[ab\r\n]{0,60}", cuts in proptest::collection::vec(0_usize..60, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut <= text.len()).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let parts: Vec<&[u8]> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(lines(&parts), lines(&[text.as_bytes()]));
        }
    }
}
