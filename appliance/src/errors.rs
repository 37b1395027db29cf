//! Errors of the box beside those of its libraries, as a person sees them.

use shell::errors::PageError;
use web::trouble::Trouble;

use crate::founding::FoundingFault;

impl From<FoundingFault> for PageError {
    fn from(fault: FoundingFault) -> Self {
        match fault {
            FoundingFault::Store(error) => error.into(),
            FoundingFault::Commit(error) => error.into(),
            other => Self(Trouble::broken(&other)),
        }
    }
}
