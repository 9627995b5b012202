//! Delivers the rows that the tail reads to any number of topics. Each topic has any number of subscribers.
//!
//! A topic is a normalised selection of the rows of one stream. A topic has a ring of rendered rows, a
//! pulse that wakes the topic's subscribers and no others, and a round that tells the tail when all of
//! these subscribers have been woken. A topic exists while it has subscribers; a permanent topic always
//! exists. The documentation of [`hub`] shows the flow of the rows, who waits for what, and who drops what.
//!
//! The files in this folder handle channels, filters and frames. Each implementation of [`stream::Stream`]
//! decides which rows the stream shows, to whom, and how.

#![cfg_attr(not(test), allow(dead_code, reason = "the streams so far do not use every item"))]

pub(crate) mod admission;
pub(crate) mod budget;
pub(crate) mod ends;
pub(crate) mod frame;
pub(crate) mod hub;
pub(crate) mod pulse;
pub(crate) mod reads;
pub(crate) mod ring;
mod round;
pub(crate) mod source;
pub(crate) mod stream;
pub(crate) mod subscriber;
pub(crate) mod table;
mod topic;
pub(crate) mod topics;
