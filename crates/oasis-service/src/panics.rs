//! Turns a panic in a handler, or in a task that must keep running, into an error with the panic's location.
//! Each panic is logged once.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::pin::Pin;
use std::task::Poll;

thread_local! {
    /// `Some` while [`catch`] polls a future on this thread. The panic hook stores the location of a panic
    /// here.
    static GUARDED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A caught panic.
#[derive(Debug)]
pub struct Panic {
    message: String,
    location: String,
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked at {}: {}", self.location, self.message)
    }
}

impl std::error::Error for Panic {}

/// Runs `future`, and returns a panic as an error.
///
/// A panic can leave state half-changed. This does no harm here, because the state of a handler is dropped
/// with the handler, and shared state is behind locks and atomics.
///
/// The future is pinned by the caller. Otherwise, the returned future would store it twice.
pub async fn catch<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, Panic> {
    std::future::poll_fn(|cx| {
        // An outer `catch` may have set the value, so this function restores the value after the poll.
        let outer = GUARDED.replace(Some(String::new()));
        let polled = panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        let location = GUARDED.replace(outer).filter(|location| !location.is_empty());
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(payload) => Poll::Ready(Err(Panic {
                message: message_of(payload.as_ref()).to_owned(),
                location: location.unwrap_or_else(|| "an unknown location".to_owned()),
            })),
        }
    })
    .await
}

/// Installs a panic hook that logs each panic as one event instead of several lines of plain text. The hook
/// does not log a panic within [`catch`], because the caller of `catch` logs the error.
pub(crate) fn install_hook() {
    panic::set_hook(Box::new(|info| {
        let location = location_of(info);
        let guarded = GUARDED.with_borrow_mut(|guarded| match guarded {
            Some(slot) => {
                slot.clone_from(&location);
                true
            }
            None => false,
        });
        if !guarded {
            tracing::error!(panic.location = location, "panicked: {}", message_of(info.payload()));
        }
    }));
}

fn location_of(info: &PanicHookInfo<'_>) -> String {
    info.location().map_or_else(|| "an unknown location".to_owned(), ToString::to_string)
}

fn message_of(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn an_outer_catch_still_works_after_a_nested_catch() {
        let mut outer = pin!(async {
            let inner = catch(pin!(async { panic!("inner") })).await.map(|(): ()| ());
            assert_eq!(inner.unwrap_err().message, "inner");
            assert!(GUARDED.with_borrow(Option::is_some));
            panic!("outer")
        });
        let caught = catch(outer.as_mut()).await.map(|(): ()| ());
        assert_eq!(caught.unwrap_err().message, "outer");
        assert!(GUARDED.with_borrow(Option::is_none));
    }
}
