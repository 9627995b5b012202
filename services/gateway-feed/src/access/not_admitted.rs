//! [`NotAdmitted`]: why a request is not admitted.

use oasis_service::ApiError;

/// Why a request is not admitted.
#[derive(Debug)]
pub(crate) enum NotAdmitted {
    /// The request is refused with this answer.
    Refused(ApiError),
    /// The gateway cannot decide now, because it cannot read the table. A stream waits and tries again. Any
    /// other request is refused with this answer.
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
