//! [`Answers`]: limits the memory of the answers that wait to be sent.

use std::sync::Arc;

use crate::ApiError;
use crate::answer::{Answer, SLICE};
use crate::budget::Budget;
use crate::response_body::{Body, Response};

/// The memory of all answers that wait to be sent.
pub(crate) struct Answers(Arc<Budget>);

impl Answers {
    /// A memory of `total` bytes.
    pub(crate) fn new(total: usize) -> Self {
        Self(Budget::new(total, total, total, 0))
    }

    /// Gives the body of an answer its share of the memory. A body that keeps no memory of its own, or that
    /// fits into one slice, needs no share.
    ///
    /// # Errors
    /// 503 if too little memory is left, and no answer is sent more slowly.
    pub(crate) fn admit(&self, response: Response) -> Result<Response, ApiError> {
        let (head, body) = response.into_parts();
        let body = match body.into_large(SLICE) {
            Ok(bytes) => Body::answer(
                Answer::new(&bytes, &self.0)
                    .map_err(|_| ApiError::overloaded("too many large answers are waiting to be sent"))?,
            ),
            Err(body) => body,
        };
        Ok(Response::from_parts(head, body))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt;
    use hyper::body::Body as _;

    use super::*;
    use crate::response_body::owned;

    fn admitted(answers: &Answers, bytes: Vec<u8>) -> Result<Body, ApiError> {
        answers.admit(Response::new(owned(bytes))).map(Response::into_body)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_arrives_whole_and_returns_its_memory() {
        let answers = Answers::new(100_000);
        for length in [0, 1, SLICE, SLICE + 1, 99_999] {
            let bytes: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let body = admitted(&answers, bytes.clone()).unwrap();
            assert_eq!(body.size_hint().exact(), Some(length as u64));
            assert_eq!(answers.0.used(), if length > SLICE { length } else { 0 });
            assert_eq!(body.collect().await.unwrap().to_bytes(), bytes);
            assert_eq!(answers.0.used(), 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_reads_is_lost_when_others_need_the_memory() {
        let answers = Answers::new(100_000);
        let mut unread = admitted(&answers, vec![1; 60_000]).unwrap();
        let refused = admitted(&answers, vec![2; 60_000]).map(drop).unwrap_err();
        assert_eq!((refused.status().as_u16(), refused.code()), (503, "overloaded"), "both are new");
        tokio::time::advance(Duration::from_secs(1)).await;
        let other = admitted(&answers, vec![2; 60_000]).unwrap();
        assert!(unread.frame().await.unwrap().is_err());
        assert_eq!(other.collect().await.unwrap().to_bytes().len(), 60_000);
        drop(unread);
        assert_eq!(answers.0.used(), 0);
    }
}
