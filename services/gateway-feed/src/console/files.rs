//! Embeds the files of `console/app` and `console/client`, which the gateway serves.

/// The path of a file below `console/`, and its content.
pub(super) type File = (&'static str, &'static str);

/// The HTML document of every page. The document names the scripts and the style sheets.
pub(super) const DOCUMENT: &str = include_str!("../../../../console/app/index.html");

/// The HTML document for a path that names no page.
pub(super) const MISSING: &str = include_str!("../../../../console/app/missing.html");

/// Scripts that no other script of the page imports: two scripts that the document names, the scripts that
/// only other sites use, and one script that contains only types.
const NOT_MODULES: &[&str] =
    &["app/main.js", "app/theme.js", "client/index.js", "client/resources.js", "client/types.js"];

macro_rules! files {
    ($($path:literal,)*) => { &[$(($path, include_str!(concat!("../../../../console/", $path)))),*] };
}

pub(super) const FILES: &[File] = files![
    "app/address.js",
    "app/agents-page.js",
    "app/agents.css",
    "app/agents.js",
    "app/axis.js",
    "app/base.css",
    "app/beats.js",
    "app/canon/canon-page.js",
    "app/canon/canon.css",
    "app/canon/index.js",
    "app/canon/report.js",
    "app/casts/audit-page.js",
    "app/casts/audit.js",
    "app/casts/cast-page.js",
    "app/casts/casts-page.js",
    "app/casts/casts.css",
    "app/casts/connections.js",
    "app/casts/errors.js",
    "app/casts/facts.js",
    "app/casts/follow.js",
    "app/casts/index.js",
    "app/casts/parts.js",
    "app/casts/rows.js",
    "app/chart.css",
    "app/chart.js",
    "app/controls.css",
    "app/dialogs.css",
    "app/docs/docs.css",
    "app/dom.js",
    "app/drawer.js",
    "app/event.js",
    "app/filters.css",
    "app/filters.js",
    "app/groups.js",
    "app/header.js",
    "app/history.js",
    "app/home.css",
    "app/home.js",
    "app/how-to-send.js",
    "app/journey.js",
    "app/keys.js",
    "app/kinds.js",
    "app/labels.js",
    "app/lazy.js",
    "app/links.js",
    "app/main.js",
    "app/narrow.css",
    "app/notify.js",
    "app/now.css",
    "app/now.js",
    "app/older.js",
    "app/parts.css",
    "app/pointer.js",
    "app/rate.js",
    "app/rooms/ansi.js",
    "app/rooms/colour.js",
    "app/rooms/download.js",
    "app/rooms/errors.js",
    "app/rooms/heights.js",
    "app/rooms/index.js",
    "app/rooms/lines.js",
    "app/rooms/links.js",
    "app/rooms/list.js",
    "app/rooms/matches.js",
    "app/rooms/room-page.js",
    "app/rooms/rooms-page.js",
    "app/rooms/rooms.css",
    "app/rooms/row.js",
    "app/rooms/source.js",
    "app/rooms/state.js",
    "app/rooms/tools.js",
    "app/router.js",
    "app/row.js",
    "app/rows.js",
    "app/run.js",
    "app/runs.js",
    "app/sets.js",
    "app/settings.js",
    "app/spoken.js",
    "app/steps.js",
    "app/store.js",
    "app/tally.js",
    "app/task.css",
    "app/task.js",
    "app/theme-button.js",
    "app/theme.js",
    "app/ticker.css",
    "app/ticker.js",
    "app/time.js",
    "app/top.css",
    "app/tree.js",
    "app/view.js",
    "client/backoff.js",
    "client/castquery.js",
    "client/casts.js",
    "client/connection.js",
    "client/connector.js",
    "client/errors.js",
    "client/feed.js",
    "client/index.js",
    "client/ledger.js",
    "client/named.js",
    "client/poll.js",
    "client/query.js",
    "client/resources.js",
    "client/roomquery.js",
    "client/rooms.js",
    "client/sse.js",
    "client/stream.js",
    "client/timers.js",
    "client/types.js",
    "client/wire.js",
];

/// The scripts that other scripts import.
pub(super) fn modules() -> impl Iterator<Item = &'static str> {
    let paths = FILES.iter().map(|(path, _)| *path);
    paths.filter(|path| path.ends_with(".js") && !NOT_MODULES.contains(path))
}

/// Whether no page loads the file: other sites import it.
#[cfg(test)]
pub(super) fn is_of_other_sites(path: &str) -> bool {
    matches!(path, "client/index.js" | "client/resources.js")
}

/// Which pages load a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All pages.
    Every,
    /// The pages of rooms: the files in `app/rooms`, and the files in `client` that read rooms.
    Rooms,
    /// The pages of casts and of the audit log: the files in `app/casts`, and the files in `client` that read
    /// casts.
    Casts,
    /// The page of work without a task: the files in `app/canon`.
    Canon,
}

impl Part {
    /// The part that the page at `path` needs, besides the files of every page.
    pub(super) fn of_page(path: &str) -> Self {
        if path.starts_with("/rooms") {
            Self::Rooms
        } else if path.starts_with("/casts") || path == "/audit" {
            Self::Casts
        } else if path == "/canon" {
            Self::Canon
        } else {
            Self::Every
        }
    }

    /// Whether the pages of this part load a file, and other pages do not. `client/named.js` reads the
    /// frames of rooms and of casts.
    pub(super) fn has(self, path: &str) -> bool {
        let is_shared = path == "client/named.js";
        let is_of = |name: &str| {
            path.starts_with(&format!("app/{name}s/")) || path.starts_with(&format!("client/{name}"))
        };
        let is_canon = path.starts_with("app/canon/");
        // Only the page with the descriptions of the API, which is no view of the console, loads these files.
        let is_docs = path.starts_with("app/docs/");
        match self {
            Self::Every => !is_shared && !is_of("room") && !is_of("cast") && !is_canon && !is_docs,
            Self::Rooms => is_shared || is_of("room"),
            Self::Casts => is_shared || is_of("cast"),
            Self::Canon => is_canon,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../console");
        let mut there = BTreeSet::new();
        for folder in ["app", "app/canon", "app/casts", "app/docs", "app/rooms", "client"] {
            for entry in std::fs::read_dir(root.join(folder)).unwrap().map(Result::unwrap) {
                let name = entry.file_name().into_string().unwrap();
                let is_of_package = [".md", ".json", ".ts"].iter().any(|end| name.ends_with(end));
                if entry.file_type().unwrap().is_file() && !is_of_package {
                    there.insert(format!("{folder}/{name}"));
                }
            }
        }
        // The documents are embedded as well, but they are served at the addresses of pages, not as files.
        let documents = ["app/docs/docs.html", "app/index.html", "app/missing.html"];
        let embedded: BTreeSet<_> =
            FILES.iter().map(|(path, _)| *path).chain(documents).map(str::to_owned).collect();
        assert_eq!(embedded, there);
    }

    /// `strip` removes indentation, so it would change a string that spans several lines.
    #[test]
    fn no_string_spans_several_lines() {
        for (path, content) in FILES.iter().filter(|(path, _)| path.ends_with(".js")) {
            for (number, line) in content.lines().enumerate() {
                let is_comment = line.trim_start().starts_with(['*', '/']);
                assert!(is_comment || line.matches('`').count() % 2 == 0, "{path}:{}", number + 1);
            }
        }
    }
}
