//! Under which names the files are served. A hash over all of them is part of each name, so what a name
//! stands for never changes.

use std::sync::LazyLock;

use ring::digest::{Context, SHA256};

use super::content::Content;
use super::files::{self, DOCUMENT, FILES};
use super::strip;

/// The files as they are served, and the document that names them.
pub(super) struct Bundle {
    hash: String,
    pub(super) document: Content,
    files: Vec<(&'static str, Content)>,
}

pub(super) static BUNDLE: LazyLock<Bundle> = LazyLock::new(|| {
    let files: Vec<(&str, Content)> = FILES
        .iter()
        .map(|(path, content)| {
            let plain = if path.ends_with(".css") { strip::css(content) } else { strip::script(content) };
            (*path, Content::new(plain))
        })
        .collect();
    let mut digest = Context::new(&SHA256);
    for (path, content) in &files {
        digest.update(path.as_bytes());
        digest.update(&content.plain().len().to_le_bytes());
        digest.update(content.plain());
    }
    let hash: String = digest.finish().as_ref()[..3].iter().map(|byte| format!("{byte:02x}")).collect();
    let document = Content::new(document(&hash));
    Bundle { hash, document, files }
});

fn document(hash: &str) -> String {
    // A module is asked for only once the one that imports it has come; named all at once, they come at once.
    let modules: String =
        files::modules().map(|path| format!("<link rel=modulepreload href=/-/{hash}/{path}>")).collect();
    let html = DOCUMENT.replace("<!-- modules -->", &modules).replace("/-/HASH/", &format!("/-/{hash}/"));
    html.lines().map(str::trim).collect()
}

impl Bundle {
    /// The file at `{HASH}/{PATH}`, and its path.
    pub(super) fn find(&self, name: &str) -> Option<(&'static str, &Content)> {
        let path = name.strip_prefix(self.hash.as_str())?.strip_prefix('/')?;
        self.files.iter().find(|(known, _)| *known == path).map(|(path, content)| (*path, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the page may weigh, all files together, plain and as browsers get it.
    const PLAIN: usize = 150 * 1024;
    const PACKED: usize = 64 * 1024;

    #[test]
    fn the_budget_holds() {
        let all = || BUNDLE.files.iter().map(|(_, content)| content).chain([&BUNDLE.document]);
        let plain: usize = all().map(|content| content.plain().len()).sum();
        let packed: usize = all().map(|content| content.gzip().len()).sum();
        assert!(plain <= PLAIN && packed <= PACKED, "{plain} bytes, {packed} compressed");
    }

    #[test]
    fn the_page_names_what_is_there() {
        let page = std::str::from_utf8(BUNDLE.document.plain()).unwrap();
        assert!(!page.contains("HASH"), "{page}");
        for part in page.split(['"', '=', '>']).filter_map(|part| part.strip_prefix("/-/")) {
            assert!(BUNDLE.find(part).is_some(), "{part}");
        }
    }
}
