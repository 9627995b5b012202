//! Resource events, except the stream: the selection of a client, the write API, and the events of a task.

mod fill;
mod list;
mod requests;
mod selection;
mod view;
mod write;

pub(crate) use requests::Resources;
pub(crate) use selection::{Key, Selection, keys_of};
pub(crate) use view::{UnixSeconds, View};
