//! The fan-out: any number of topics, each with any number of subscribers, from one tail of the table.
//!
//! A topic is a stream and a normalised choice of its rows. It has a ring of rendered rows, a pulse that
//! wakes its subscribers and nobody else, and a round that tells the tail when they have been woken; it lives
//! while it has subscribers. [`hub`] has the picture, and says who waits for what and who drops what. The
//! files here know channels, filters and frames. What a stream shows, to whom and how, are the policies of
//! [`stream::Stream`].

#![cfg_attr(
    not(test),
    allow(dead_code, reason = "the ticker, which is the only stream yet, uses only a part")
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
