//! Fits the texts of a line into the width of the terminal.

use std::env;
use std::io::{self, IsTerminal};

/// A text is not cut to less than this width. If the texts are still too wide, some texts are left out.
const MIN_WIDTH: usize = 12;
/// The blanks between two texts.
const GAP: usize = 2;

/// The width of the lines on standard output: the variable `COLUMNS`, or else the width of the terminal.
/// `None` if the variable is not set and standard output is not a terminal.
pub(crate) fn terminal() -> Option<usize> {
    let set = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let stdout = io::stdout();
    let size = || stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(&stdout));
    let width = set.or_else(|| Some(size()?.map_or(0, |size| usize::from(size.ws_col))));
    width.map(|width| if width == 0 { 80 } else { width })
}

/// The number of columns that a terminal needs for `text`. The result may be too large for rare characters,
/// but is never too small.
pub(crate) fn width(text: &str) -> usize {
    let wide = |c: char| matches!(c, '\u{1100}'..='\u{1fff}' | '\u{2300}'..='\u{27bf}') || c >= '\u{2b00}';
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

/// Pads each cell to the width of its column. The caller adds colours after that, because escape sequences
/// would count as width.
pub(crate) fn padded<const N: usize>(rows: &[[String; N]]) -> Vec<[String; N]> {
    let widest = |column: usize| rows.iter().map(|row| width(&row[column])).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(widest);
    let pad = |cell: &String, to: usize| format!("{cell}{}", " ".repeat(to - width(cell)));
    rows.iter().map(|row| std::array::from_fn(|column| pad(&row[column], widths[column]))).collect()
}

/// One line of a table: the cells with a gap between them.
pub(crate) fn joined(cells: &[String]) -> String {
    cells.join(&" ".repeat(GAP)).trim_end().to_owned()
}

/// Cuts `text` to `max` columns.
pub(crate) fn cut(text: &str, max: usize) -> String {
    if width(text) <= max {
        return text.to_owned();
    }
    let mut used = 1;
    let kept = text.chars().take_while(|c| {
        used += width(c.encode_utf8(&mut [0; 4]));
        used <= max
    });
    let mut kept: String = kept.collect();
    kept.truncate(kept.trim_end().len());
    if max > 0 {
        kept.push('…');
    }
    kept
}

/// A text of a line. Texts with a higher rank are left out first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) text: &'a str,
    pub(crate) rank: u8,
}

/// Cuts the texts so that all texts and the gaps between them have at most `available` columns. `name` is cut
/// only if it is wider than two thirds of the line. Other texts that are too wide are cut to the same width.
/// If that width would be less than [`MIN_WIDTH`], the text with the highest rank is left out. The texts that
/// are left out become empty. The first text of the result is `name`.
pub(crate) fn fit(name: &str, parts: &[Part<'_>], available: usize) -> Vec<String> {
    let natural = width(name);
    let alone = parts.iter().all(|part| part.text.is_empty());
    let name = cut(name, if alone { available } else { natural.min(available / 3 * 2).max(MIN_WIDTH) });
    let name = cut(&name, available);
    let mut texts: Vec<&str> = parts.iter().map(|part| part.text).collect();
    let rest = available.saturating_sub(width(&name));
    let share = loop {
        let widths: Vec<usize> = texts.iter().map(|text| width(text)).filter(|width| *width > 0).collect();
        let share = share(&widths, rest.saturating_sub(GAP * widths.len()));
        let last = (0..texts.len()).filter(|nth| !texts[*nth].is_empty()).max_by_key(|nth| parts[*nth].rank);
        match last {
            Some(last) if share < MIN_WIDTH => texts[last] = "",
            Some(_) | None => break share,
        }
    };
    std::iter::once(name).chain(texts.iter().map(|text| cut(text, share))).collect()
}

/// The largest width to which all texts can be cut so that their sum is at most `available`. If no text must
/// be cut, the result is `usize::MAX`.
fn share(widths: &[usize], available: usize) -> usize {
    let mut sorted = widths.to_vec();
    sorted.sort_unstable();
    let mut rest = available;
    for (nth, width) in sorted.iter().enumerate() {
        let each = rest / (sorted.len() - nth);
        if *width > each {
            return each;
        }
        rest -= width;
    }
    usize::MAX
}

/// Joins the texts that are not empty.
pub(crate) fn join(texts: &[String]) -> String {
    let shown: Vec<&str> = texts.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    shown.join(&" ".repeat(GAP))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fitted(texts: &[&str], available: usize) -> String {
        let (name, texts) = texts.split_first().unwrap();
        let parts: Vec<Part<'_>> = (0_u8..).zip(texts).map(|(rank, text)| Part { text, rank }).collect();
        join(&fit(name, &parts, available))
    }

    #[test]
    fn long_texts_are_cut_and_the_last_text_is_left_out_first() {
        let texts = ["CI: test", "Add rate limits to the gateway", "acme/gateway"];
        assert_eq!(fitted(&texts, 80), "CI: test  Add rate limits to the gateway  acme/gateway");
        assert_eq!(fitted(&texts, 44), "CI: test  Add rate limits to…  acme/gateway");
        assert_eq!(fitted(&texts, 30), "CI: test  Add rate limits to…");
        assert_eq!(fitted(&texts, 6), "CI: t…");
        assert_eq!(
            fitted(&["deploy to production", "Merge pull request", "gateway"], 38),
            "deploy to production  Merge pull requ…"
        );
        assert_eq!(fitted(&["", "a", ""], 6), "a");
        assert_eq!(fitted(&["a name that is longer than the line"], 20), "a name that is long…");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(width("é日本😀"), 7);
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("日本語", 0), "");
    }

    proptest! {
        #[test]
        fn a_line_is_never_too_wide(
            texts in proptest::collection::vec("[a-zé日😀 ]{0,40}", 1..5),
            available in 0_usize..120,
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            prop_assert!(width(&fitted(&texts, available)) <= available);
        }
    }
}
