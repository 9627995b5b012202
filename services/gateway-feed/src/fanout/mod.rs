//! Delivers what one tail of the table reads to any number of topics, each with any number of subscribers.
//!
//! A topic is a stream and a normalised choice of the stream's rows. It has a ring of rendered rows, a
//! pulse that wakes its subscribers and no others, and a round that tells the tail when all of them have
//! been woken. A topic lives while it has subscribers; a permanent topic always lives. [`hub`] shows the
//! flow of the rows, who waits for what, and who drops what.
//!
//! The files here know channels, filters and frames. The policies of a [`stream::Stream`] decide which rows
//! it shows, to whom, and how.

#![cfg_attr(
    not(test),
    allow(dead_code, reason = "the ticker is the only stream so far, and uses only a part")
)]

pub(crate) mod budget;
pub(crate) mod ends;
pub(crate) mod frame;
pub(crate) mod hub;
pub(crate) mod pulse;
pub(crate) mod reads;
pub(crate) mod ring;
mod round;
pub(crate) mod stream;
pub(crate) mod subscriber;
pub(crate) mod table;
mod topic;
pub(crate) mod topics;
