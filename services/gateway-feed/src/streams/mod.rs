//! The streams: each is one file that says which rows it shows, to whom, and how a connection lives.

pub(crate) mod ticker;

#[cfg(test)]
mod fanout_tests;
#[cfg(test)]
mod simulation;
#[cfg(any(test, feature = "test-stream"))]
pub(crate) mod test_stream;
