//! status
use super::{Failure, FolderArgs, Outcome};

pub(super) async fn run(_args: FolderArgs) -> Outcome {
    Err(Failure::new("soon"))
}
