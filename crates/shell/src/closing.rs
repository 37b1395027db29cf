//! The word that a program is stopping, for streams and loops that would go on for ever.

use tokio::sync::watch;

/// Tells streams and loops when the program is stopping.
#[derive(Debug, Clone)]
pub struct Closing(watch::Receiver<bool>);

impl Closing {
    /// The switch and what it tells.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (switch, told) = watch::channel(false);
        (switch, Self(told))
    }

    /// Waits until the program is stopping.
    pub async fn closed(mut self) {
        // A dropped switch means the same.
        let _stopping = self.0.wait_for(|stopping| *stopping).await;
    }

    /// Whether the program is stopping.
    pub fn is_closed(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}
