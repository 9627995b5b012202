//! [`NotAdmitted`]: why a request does not get what it asks for.

use oasis_service::ApiError;

/// Why a request does not get what it asks for.
#[derive(Debug)]
pub(crate) enum NotAdmitted {
    /// The answer to the request.
    Refused(ApiError),
    /// The gateway cannot decide now, because it cannot read the table. The error is the answer to a request
    /// that does not wait.
    Unavailable(ApiError),
}

impl From<ApiError> for NotAdmitted {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl From<NotAdmitted> for ApiError {
    fn from(why: NotAdmitted) -> Self {
        match why {
            NotAdmitted::Refused(error) | NotAdmitted::Unavailable(error) => error,
        }
    }
}
