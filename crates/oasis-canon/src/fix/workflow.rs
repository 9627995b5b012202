//! The edits of a workflow's own `name:` and `run-name:`.

use super::names::NewNames;
use crate::rules::run_name;
use crate::text::Edit;
use crate::workflow::{Workflow, stem};
use crate::yaml::Ref;

/// The edits, or why the workflow cannot be edited.
pub(super) fn edits(text: &str, workflow: Workflow<'_>, names: &NewNames) -> Result<Vec<Edit>, String> {
    let mut edits = Vec::new();
    let mut above = String::new();
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    if let Some(new) = &names.new_name {
        match workflow.name() {
            Some(node) => edits.push(replace(text, node, new)?),
            None => above += &format!("name: {}{newline}", plain(new)),
        }
    }
    if names.lacks_run_name {
        let run_name = run_name::default(workflow, &shown_name(names));
        let line = format!("run-name: \"{run_name}\"{newline}");
        match workflow.name().and_then(|node| end_of_line(text, workflow, node)) {
            Some(end) => edits.push(insert(text, workflow, end, &line, newline)?),
            None => above += &line,
        }
    }
    if !above.is_empty() {
        let first = workflow.first_key().ok_or("the top level is in braces; add the lines by hand")?;
        let start = line_start(text, first.start());
        edits.push(insert(text, workflow, start, &above, newline)?);
    }
    Ok(edits)
}

/// Replaces the text of a scalar. A scalar in quotes keeps its quotes.
pub(super) fn replace(text: &str, node: Ref<'_>, new: &str) -> Result<Edit, String> {
    if node.has_anchor() {
        return Err("the name has an anchor, and other places may use it; change it by hand".to_owned());
    }
    let bytes = node.literal().ok_or("the name is not on one line; change it by hand")?;
    let quote = text[bytes.clone()].chars().next().filter(|first| matches!(first, '"' | '\''));
    let with = quote.map_or_else(|| plain(new), |quote| format!("{quote}{new}{quote}"));
    Ok(Edit { bytes, with })
}

/// A canonical name as a scalar. YAML 1.1 reads `2024-01-01` as a date, so digits at the start need quotes.
fn plain(name: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("\"{name}\"") } else { name.to_owned() }
}

/// The name that begins the `run-name:`.
fn shown_name(names: &NewNames) -> String {
    let is_simple = |name: &&String| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || " -_.&()/".contains(c))
    };
    let name = names.new_name.as_ref().or(names.old_name.as_ref()).filter(is_simple);
    name.cloned().unwrap_or_else(|| stem(&names.file).unwrap_or(&names.file).to_ascii_uppercase())
}

/// The place after the line of the name. `None` if the name is a block, or if the workflow is in braces.
fn end_of_line(text: &str, workflow: Workflow<'_>, name: Ref<'_>) -> Option<usize> {
    if workflow.top.is_flow() {
        return None;
    }
    let end = name.literal()?.end;
    Some(text[end..].find('\n').map_or(text.len(), |at| end + at + 1))
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Inserts lines, with the indentation of the keys.
fn insert(text: &str, workflow: Workflow<'_>, at: usize, lines: &str, newline: &str) -> Result<Edit, String> {
    let first = workflow.first_key().ok_or("the top level is in braces; add the lines by hand")?;
    let start = line_start(text, first.start());
    let mark = if start == 0 && text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let indent = &text[start + mark..first.start()];
    if !indent.chars().all(|c| c == ' ') {
        return Err("the first key does not begin its line; add the lines by hand".to_owned());
    }
    let at = if at == 0 { mark } else { at };
    let mut with = String::new();
    if at == text.len() && !text.is_empty() && !text.ends_with('\n') {
        with.push_str(newline);
    }
    for line in lines.split_inclusive('\n') {
        with.push_str(indent);
        with.push_str(line);
    }
    Ok(Edit { bytes: at..at, with })
}
