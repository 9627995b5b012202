//! Holds the files of the page under the paths at which they are served. Each path contains a hash of all
//! files, so the content at a path never changes.

use std::sync::LazyLock;

use ring::digest::{Context, SHA256};

use super::content::Content;
use super::files::{self, DOCUMENT, FILES};
use super::strip::strip;

/// The files as they are served, and the document that names them.
pub(super) struct Bundle {
    hash: String,
    pub(super) document: Content,
    files: Vec<(&'static str, Content)>,
}

pub(super) static BUNDLE: LazyLock<Bundle> = LazyLock::new(|| {
    let files: Vec<(&str, Content)> =
        FILES.iter().map(|(path, content)| (*path, Content::new(strip(content)))).collect();
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
    // By itself, a browser requests a module only after it has loaded a script that imports the module. So
    // the document names all modules, and the browser requests all of them at once.
    let modules: String =
        files::modules().map(|path| format!("<link rel=modulepreload href=/-/{hash}/{path}>")).collect();
    let html = DOCUMENT.replace("<!-- modules -->", &modules).replace("/-/HASH/", &format!("/-/{hash}/"));
    html.lines().map(str::trim).collect()
}

impl Bundle {
    /// The path and the content of the file at `{HASH}/{PATH}`.
    pub(super) fn find(&self, name: &str) -> Option<(&'static str, &Content)> {
        let path = name.strip_prefix(self.hash.as_str())?.strip_prefix('/')?;
        self.files.iter().find(|(known, _)| *known == path).map(|(path, content)| (*path, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The maximum size of all files together in bytes, without compression.
    const PLAIN: usize = 192 * 1024;
    /// The maximum size of all files together in bytes, compressed with gzip.
    const PACKED: usize = 80 * 1024;

    #[test]
    fn the_files_of_the_page_are_not_larger_than_the_limits() {
        let all = || BUNDLE.files.iter().map(|(_, content)| content).chain([&BUNDLE.document]);
        let plain: usize = all().map(|content| content.plain().len()).sum();
        let packed: usize = all().map(|content| content.gzip().len()).sum();
        assert!(plain <= PLAIN && packed <= PACKED, "{plain} bytes, {packed} bytes compressed");
    }

    #[test]
    fn every_file_that_the_page_names_exists() {
        let page = std::str::from_utf8(BUNDLE.document.plain()).unwrap();
        assert!(!page.contains("HASH"), "{page}");
        for part in page.split(['"', '=', '>']).filter_map(|part| part.strip_prefix("/-/")) {
            assert!(BUNDLE.find(part).is_some(), "{part}");
        }
    }
}
