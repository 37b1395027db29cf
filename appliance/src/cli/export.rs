//! export
use super::{ExportArgs, Failure, Outcome};

pub(super) async fn run(_args: ExportArgs) -> Outcome {
    Err(Failure::new("soon"))
}
