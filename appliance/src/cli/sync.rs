//! sync
use super::{Failure, Outcome, SyncArgs};

pub(super) async fn run(_args: SyncArgs) -> Outcome {
    Err(Failure::new("soon"))
}
