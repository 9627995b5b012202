//! Holds the files of the page under the paths at which they are served. Each path contains a hash of all
//! files, so the content at a path never changes.
//!
//! The documents name the files relative to their own address. So the page also works behind a proxy that
//! serves the gateway under a prefix, without any setting.

use std::sync::LazyLock;

use ring::digest::{Context, SHA256};

use super::content::Content;
use super::files::{self, DOCUMENT, FILES, MISSING, Part};
use super::strip::strip;

/// The files as they are served, and the documents that name them.
pub(super) struct Bundle {
    hash: String,
    /// The document of the pages `/` and `/agents`.
    pub(super) top: Content,
    /// The document of the page of a task.
    pub(super) task: Content,
    /// The document of the list of the rooms.
    pub(super) rooms: Content,
    /// The document of the page of a room.
    pub(super) room: Content,
    /// The document of the list of the casts, and of the audit log.
    pub(super) casts: Content,
    /// The document of the page of a cast.
    pub(super) cast: Content,
    /// The document of the page of work without a task.
    pub(super) canon: Content,
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
    let document = |path| Content::new(document(&hash, path));
    let (top, task) = (document("/"), document("/vtid/"));
    let (rooms, room) = (document("/rooms"), document("/rooms/"));
    let (casts, cast) = (document("/casts"), document("/casts/"));
    let canon = document("/canon");
    Bundle { hash, top, task, rooms, room, casts, cast, canon, files }
});

/// The document of the page at `path`.
fn document(hash: &str, path: &str) -> String {
    // By itself, a browser requests a module only after it has loaded a script that imports the module. So
    // the document names all modules, and the browser requests all of them at once. The other pages load the
    // files of the rooms and of the casts only when the user opens such a page.
    let parts = [Part::Every, Part::of_page(path)];
    let modules: String = files::modules()
        .filter(|path| parts.iter().any(|part| part.has(path)))
        .map(|path| format!("<link rel=\"modulepreload\" href=\"./-/HASH/{path}\">"))
        .collect();
    placed(&DOCUMENT.replace("<!-- modules -->", &modules), hash, path)
}

/// The page with the descriptions of the API. Most gateways never show it.
pub(super) static DOCS: LazyLock<Content> = LazyLock::new(|| {
    let packed = Content::packed(include_bytes!(concat!(env!("OUT_DIR"), "/docs.html.gz")));
    let html = String::from_utf8_lossy(packed.plain());
    Content::new(html.replace("/-/HASH/", &format!("/-/{}/", BUNDLE.hash)))
});

/// The document for a browser that opens `path`, which names no page. `hint` must be HTML.
pub(super) fn missing_document(path: &str, hint: &str) -> String {
    placed(&MISSING.replace("<!-- hint -->", hint), &BUNDLE.hash, path)
}

/// Adapts a document to its address. In the files, the addresses of a document start with `./`, as is right
/// for a page at the top. The page `/a/b` needs `./../` instead.
fn placed(html: &str, hash: &str, path: &str) -> String {
    let depth = path.bytes().filter(|byte| *byte == b'/').count().saturating_sub(1);
    let root = format!("\"./{}", "../".repeat(depth));
    html.replace("\"./", &root).replace("/-/HASH/", &format!("/-/{hash}/")).lines().map(str::trim).collect()
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

    /// The maximum size of all files of a page in bytes, plain and compressed with gzip: the pages that show
    /// no room.
    const PAGES: (usize, usize) = (192 * 1024, 80 * 1024);
    /// The same for the files that only the pages of rooms, or of casts, load in addition.
    const ROOMS: (usize, usize) = (72 * 1024, 30 * 1024);
    const CASTS: (usize, usize) = (46 * 1024, 20 * 1024);
    const CANON: (usize, usize) = (16 * 1024, 8 * 1024);

    #[test]
    fn the_files_of_the_pages_are_not_larger_than_the_limits() {
        for (part, document, most) in [
            (Part::Every, &BUNDLE.task, PAGES),
            (Part::Rooms, &BUNDLE.room, ROOMS),
            (Part::Casts, &BUNDLE.cast, CASTS),
            (Part::Canon, &BUNDLE.canon, CANON),
        ] {
            let loaded = BUNDLE.files.iter().filter(|(path, _)| !files::is_of_other_sites(path));
            let files = loaded.filter(|(path, _)| part.has(path));
            let all = || files.clone().map(|(_, content)| content).chain([document]);
            let plain: usize = all().map(|content| content.plain().len()).sum();
            let packed: usize = all().map(|content| content.gzip().len()).sum();
            let fits = plain <= most.0 && packed <= most.1;
            assert!(fits, "{part:?}: {plain} bytes, {packed} bytes compressed");
        }
    }

    #[test]
    fn a_document_names_the_files_of_its_part() {
        for (document, part) in [
            (&BUNDLE.top, Part::Every),
            (&BUNDLE.task, Part::Every),
            (&BUNDLE.rooms, Part::Rooms),
            (&BUNDLE.room, Part::Rooms),
            (&BUNDLE.casts, Part::Casts),
            (&BUNDLE.cast, Part::Casts),
            (&BUNDLE.canon, Part::Canon),
        ] {
            let text = String::from_utf8(document.plain().to_vec()).unwrap();
            assert!(text.contains("/app/main.js"));
            for path in files::modules() {
                assert_eq!(text.contains(path), Part::Every.has(path) || part.has(path), "{path}");
            }
        }
    }

    #[test]
    fn every_file_that_a_document_names_exists_and_every_address_is_relative() {
        let text = |content: &Content| String::from_utf8(content.plain().to_vec()).unwrap();
        for (page, root) in [
            (text(&BUNDLE.top), "./"),
            (text(&BUNDLE.task), "./../"),
            (text(&BUNDLE.rooms), "./"),
            (text(&BUNDLE.room), "./../"),
            (text(&BUNDLE.casts), "./"),
            (text(&BUNDLE.cast), "./../"),
            (text(&BUNDLE.canon), "./"),
            (missing_document("/nothing", "a hint"), "./"),
            (missing_document("/a//b/", "a hint"), "./../../../"),
        ] {
            assert!(!page.contains("HASH"), "{page}");
            let addresses: Vec<&str> = ["href=\"", "src=\""]
                .iter()
                .flat_map(|name| page.split(name).skip(1).filter_map(|rest| rest.split('"').next()))
                .filter(|address| !address.starts_with('#') && !address.starts_with("data:"))
                .collect();
            assert!(addresses.len() > 3, "{page}");
            for address in addresses {
                let path = address.strip_prefix(root).unwrap_or_else(|| panic!("{address} in {page}"));
                let file = path.strip_prefix("-/");
                assert!(
                    file.map_or(matches!(path, "" | "agents" | "rooms" | "casts" | "canon"), |file| BUNDLE
                        .find(file)
                        .is_some()),
                    "{path}"
                );
            }
        }
    }
}
