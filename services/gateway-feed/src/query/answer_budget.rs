//! Limits the memory of all answers that wait to be sent. So clients that request a lot of data and read
//! slowly cannot use up the memory that the feed needs.

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use oasis_service::{ApiError, Response, response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The maximum memory of all answers together, in KiB.
const MOST_KIB: usize = 64 << 10;

/// The memory budget. Each free permit of the semaphore stands for one free KiB.
pub(crate) struct AnswerBudget(Arc<Semaphore>);

impl AnswerBudget {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MOST_KIB)))
    }

    /// An answer with the JSON `text`. The answer uses a share of the budget until the answer has been
    /// sent.
    ///
    /// # Errors
    /// 503 if too little of the budget is left.
    pub(crate) fn answer(&self, text: Vec<u8>) -> Result<Response, ApiError> {
        let kib = u32::try_from(text.len().div_ceil(1_024)).unwrap_or(u32::MAX);
        let share = self.0.clone().try_acquire_many_owned(kib);
        let share =
            share.map_err(|_| ApiError::overloaded("too many large answers are waiting to be sent"))?;
        let bytes = Bytes::from_owner(CountedBytes { text, _share: share });
        let mut answer = response::content(StatusCode::OK, "application/json", bytes);
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(answer)
    }
}

/// The bytes of an answer, and the share of the budget that they use. Once the bytes have been sent, this
/// value is dropped, and the share is free again.
struct CountedBytes {
    text: Vec<u8>,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for CountedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_uses_its_share_until_it_is_dropped() {
        let budget = AnswerBudget::new();
        let half = || budget.answer(vec![b' '; MOST_KIB * 512]);
        let (first, second) = (half().unwrap(), half().unwrap());
        let refused = budget.answer(b"[]".to_vec()).unwrap_err();
        assert_eq!((refused.status().as_u16(), refused.code()), (503, "overloaded"));
        drop(first);
        let third = half().unwrap();
        assert!(half().is_err());
        drop((second, third));
        assert_eq!(budget.0.available_permits(), MOST_KIB);
    }
}
