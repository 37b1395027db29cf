//! The cable as a switch: demo and tests pull it out and put it back.

use std::sync::Arc;

use tokio::sync::watch;

/// A cable between box and hub. Clones share the switch. While it is cut, connects fail and open connections
/// are dropped without a word.
#[derive(Debug, Clone)]
pub struct Cable(Arc<watch::Sender<bool>>);

impl Default for Cable {
    /// A whole cable.
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Cable {
    /// Pulls it out.
    pub fn cut(&self) {
        self.0.send_replace(true);
    }

    /// Puts it back.
    pub fn restore(&self) {
        self.0.send_replace(false);
    }

    /// Whether it is out.
    pub fn is_cut(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is out.
    pub(crate) async fn until_cut(&self) {
        self.until(true).await;
    }

    /// Waits until it is in.
    pub(crate) async fn until_whole(&self) {
        self.until(false).await;
    }

    async fn until(&self, cut: bool) {
        let mut switch = self.0.subscribe();
        // The sender lives as long as this handle: waiting cannot fail.
        let _ = switch.wait_for(|now| *now == cut).await.map(|_| ());
    }
}
