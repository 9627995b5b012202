//! Formats an error together with its causes.

use std::error::Error;

/// Returns the messages of `error` and of its causes on one line, the outermost error first, for a log.
///
/// Many errors include the message of their cause in their own message. A message that the line already
/// contains is not added again.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Failed {
        #[error("the page cannot be read")]
        Page(#[source] Box<Failed>),
        #[error("the query failed")]
        Query(#[source] io::Error),
        /// The message includes the message of the source.
        #[error("the query failed: {0}")]
        Printed(#[source] io::Error),
        /// The message includes the messages of all sources.
        #[error("{}", chain(.0))]
        Chained(#[source] Box<Failed>),
    }

    #[test]
    fn each_cause_is_printed_once() {
        let cause = || io::Error::other("no such table");
        for error in [Failed::Query(cause()), Failed::Printed(cause())] {
            assert_eq!(chain(&error), "the query failed: no such table");
            let page = Failed::Page(Box::new(error));
            assert_eq!(chain(&page), "the page cannot be read: the query failed: no such table");
            let chained = Failed::Chained(Box::new(page));
            assert_eq!(chain(&chained), "the page cannot be read: the query failed: no such table");
        }
    }
}
