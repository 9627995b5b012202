//! Finds the links, headings and code spans in Markdown.

use std::collections::BTreeMap;

/// Returns the lines outside fenced blocks, without code spans. Each line comes with its line number, counted
/// from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let trimmed = line.trim_start();
        if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
            fenced = !fenced;
            return None;
        }
        (!fenced).then(|| (index + 1, without_code(line)))
    })
}

fn without_code(line: &str) -> String {
    // Backticks split the line into parts. Every second part is code. If the number of backticks is odd, no
    // part counts as code.
    if line.matches('`').count() % 2 == 1 {
        return line.to_owned();
    }
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// The code spans of a line.
pub(crate) fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Finds the targets of links and images, each with its line number.
pub(crate) fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        for (before, end) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
            let after = line.match_indices(before).map(|(at, _)| &line[at + before.len()..]);
            let targets = after.filter_map(|rest| rest.split_once(end)).map(|(target, _)| target);
            // In `[text](target "title")`, the text after the space is the title of the link.
            let targets = targets.filter_map(|target| target.split_whitespace().next());
            found.extend(targets.map(|target| (number, target.to_owned())));
        }
        if let Some((_, target)) = line.split_once("]: ").filter(|_| line.starts_with('[')) {
            found.push((number, target.trim().to_owned()));
        }
    }
    found
}

/// The anchors that GitHub makes for the headings.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut fenced = false;
    let mut anchors = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let heading = line.trim_start_matches('#');
        if fenced || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let anchor = anchor(heading);
        let times = seen.entry(anchor.clone()).or_default();
        anchors.push(if *times == 0 { anchor } else { format!("{anchor}-{times}") });
        *times += 1;
    }
    anchors
}

fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_code() {
        let text = "See [a](b.md \"title\") and ![c](d.png).\n```\n[no](no.md)\n```\n\
                    `[no](no.md)` <a href=\"e\">\n[f]: g.md";
        let expected = [(1, "b.md"), (1, "d.png"), (5, "e"), (6, "g.md")];
        assert_eq!(links(text), expected.map(|(line, target)| (line, target.to_owned())));
    }

    #[test]
    fn anchors_follow_the_rules_of_github() {
        let text = "# `GET /events`: the feed\n## What's new?\n## A\n```\n# not one\n```\n## A\n";
        assert_eq!(anchors(text), ["get-events-the-feed", "whats-new", "a", "a-1"]);
    }
}
