//! enroll
use super::{EnrollArgs, Failure, Outcome};

pub(super) async fn run(_args: EnrollArgs) -> Outcome {
    Err(Failure::new("soon"))
}
