//! Joins the paths of the tree, and determines the language of a file.

/// Resolves `relative` from the folder of the file at `from`. Returns `None` if the result is outside the
/// tree.
pub(crate) fn join(from: &str, relative: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The languages of source files that the checks distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    JavaScript,
    Sql,
    Shell,
    /// Other text that people write: pages, styles, documents and YAML.
    Page,
}

/// The language of the file at `path`. The result is `None` for configuration, data and generated files.
pub(crate) fn language(path: &str, text: &str) -> Option<Language> {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("rs") => Some(Language::Rust),
        Some("js" | "mjs" | "jsx" | "ts" | "tsx") => Some(Language::JavaScript),
        Some("sql") => Some(Language::Sql),
        Some("sh") => Some(Language::Shell),
        Some("css" | "html" | "md" | "yml" | "yaml") => Some(Language::Page),
        _ => {
            let first = text.lines().next().filter(|first| first.starts_with("#!"))?;
            let is_shell = ["bash", "/sh", "zsh"].iter().any(|shell| first.ends_with(shell));
            is_shell.then_some(Language::Shell)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_starts_at_the_folder_of_the_file() {
        assert_eq!(join("docs/api.md", "../README.md").as_deref(), Some("README.md"));
        assert_eq!(join("README.md", "./docs/api.md").as_deref(), Some("docs/api.md"));
        assert_eq!(join("README.md", "../other"), None);
    }

    #[test]
    fn the_first_line_identifies_a_script_without_an_extension() {
        assert_eq!(language(".ci/run", "#!/usr/bin/env bash\n"), Some(Language::Shell));
        assert_eq!(language(".ci/expected", "#!/usr/bin/env python3\n"), None);
        assert_eq!(language(".ci/rows.mjs", ""), Some(Language::JavaScript));
        assert_eq!(language("Cargo.lock", ""), None);
    }
}
