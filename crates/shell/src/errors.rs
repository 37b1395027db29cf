//! Where the errors of the libraries become what a person sees: a refusal with its reason, or a fault of ours
//! that is logged once under a number.

use axum::response::{IntoResponse, Response};
use store::{CommitError, StoreError};
use web::trouble::Trouble;

/// What a handler returns instead of a page.
#[derive(Debug)]
pub struct PageError(pub Trouble);

/// What a handler returns.
pub type Page<T = Response> = Result<T, PageError>;

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl From<Trouble> for PageError {
    fn from(trouble: Trouble) -> Self {
        Self(trouble)
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        Self(match error {
            StoreError::DiskFull => Trouble::DiskFull,
            StoreError::ReadOnly => Trouble::ReadOnly,
            other => Trouble::broken(&other),
        })
    }
}

impl From<CommitError> for PageError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::DiskFull => Self(Trouble::DiskFull),
            CommitError::Stale => Self(Trouble::Stale),
            CommitError::Store(error) => error.into(),
            other => Self(Trouble::broken(&other)),
        }
    }
}
