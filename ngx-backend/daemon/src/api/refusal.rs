//! Answers that refuse: a status and one sentence.

use hyper::StatusCode;

use crate::access::Denial;
use crate::writer::Refused;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) sentence: String,
    /// The methods there are, for 405.
    pub(super) allow: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self { status, sentence: sentence.into(), allow: None }
    }

    /// 400: it cannot be read.
    pub(super) fn bad(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }

    /// 422: it can be read and cannot be done.
    pub(super) fn unusable(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, sentence)
    }

    pub(super) fn store_failed() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the store cannot be read; the daemon's log says why")
    }

    pub(super) fn denied(denial: Denial) -> Self {
        let status = match denial {
            Denial::NoToken | Denial::WrongToken => StatusCode::UNAUTHORIZED,
            Denial::NoneConfigured => StatusCode::FORBIDDEN,
        };
        Self::new(status, denial.sentence())
    }

    pub(super) fn not_written(refused: Refused) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, refused.to_string())
    }
}
