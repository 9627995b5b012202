//! Serves the Live Console. Its files are in `console/`, and are embedded in the binary.
//!
//! - `GET /`, `GET /vtid/{VTID}`, `GET /agents`, `GET /rooms`, `GET /rooms/{ID}`: the page
//! - `GET` with `Accept: text/html` for any other path: a page that says that the path does not exist
//! - `GET /docs`: the page with the descriptions of the API
//! - `GET /-/{HASH}/…`: the files that the page loads. HASH is a hash of all files, so the file at an
//!   address never changes

mod asset;
mod bundle;
mod content;
mod files;
mod page;
mod strip;

pub(crate) use asset::asset;
pub(crate) use content::Content;
pub(crate) use page::{Page, missing};
