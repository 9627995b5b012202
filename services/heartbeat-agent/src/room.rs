//! Sends the output of a wrapped command to a room of a gateway, line by line.
//!
//! `Copies` reads the output and passes it on. A [`Splitter`] makes lines, which wait in a bounded queue. A
//! task sends the lines in batches. So a slow or unavailable gateway does not affect the command.

mod args;
mod copy;
mod line;
mod log;
mod queue;
mod sender;
mod shared;
mod split;

pub(crate) use args::RoomArgs;
pub(crate) use copy::{Copies, Output};
pub use line::{read_line, to_wire};
pub(crate) use log::RoomLog;
pub use split::{MOST_RAW_BYTES, RawLine, Splitter};
