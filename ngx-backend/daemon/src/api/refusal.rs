//! Answers that refuse: a status and one sentence.

use hyper::StatusCode;

use crate::access::Denial;
use crate::writer::Refused;

/// What may be otherwise so many seconds later.
pub(super) const RETRY_AFTER: u32 = 2;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) sentence: String,
    /// The methods there are, for 405.
    pub(super) allow: Option<String>,
    /// Seconds, for 503.
    pub(super) retry_after: Option<u32>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self { status, sentence: sentence.into(), allow: None, retry_after: None }
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

    /// 503: it will be possible again.
    pub(super) fn away(sentence: impl Into<String>) -> Self {
        Self { retry_after: Some(RETRY_AFTER), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, sentence) }
    }

    pub(super) fn not_written(refused: Refused) -> Self {
        Self::away(refused.to_string())
    }
}
