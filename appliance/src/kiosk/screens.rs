//! Screens that a member of staff paired with the box: a token in a cookie of the screen's browser, its hash
//! here, and the card reader beside it.

use std::sync::{Arc, Mutex, PoisonError};

use records::time::WallTime;
use serde::{Deserialize, Serialize};
use store::{Store, StoreError};
use sync_core::blobs::blob_id;

/// Key of the setting that holds the screens.
const SETTING: &str = "kiosk_screens";
/// Most paired screens; the oldest one goes.
pub const SCREENS_MAX: usize = 16;

/// A paired screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Screen {
    /// BLAKE3 of its token, in hexadecimal: the token itself stands only in the screen's cookie.
    pub token: String,
    /// Number of the card reader beside it.
    pub reader: usize,
    /// When it was paired, milliseconds since 1970.
    pub paired_at: i64,
}

/// The paired screens. A cheap clone.
#[derive(Debug, Clone, Default)]
pub struct Screens(Arc<Mutex<Vec<Screen>>>);

impl Screens {
    /// The screens that the store holds.
    pub async fn load(store: &Store) -> Result<Self, StoreError> {
        let value = store.setting(SETTING).await?;
        let screens = value
            .and_then(|value| serde_json::from_value(value).ok())
            .unwrap_or_default();
        Ok(Self(Arc::new(Mutex::new(screens))))
    }

    /// Pairs a screen: returns the token for its cookie.
    pub async fn pair(&self, store: &Store, reader: usize, at: WallTime) -> Result<String, StoreError> {
        let token = hex::encode(rand::random::<[u8; 16]>());
        let mut screens = self.all();
        if screens.len() >= SCREENS_MAX {
            screens.remove(0);
        }
        screens.push(Screen {
            token: hashed(&token),
            reader,
            paired_at: at.0,
        });
        self.keep(store, screens).await?;
        Ok(token)
    }

    /// Takes the pairing of all screens back.
    pub async fn forget_all(&self, store: &Store) -> Result<(), StoreError> {
        self.keep(store, Vec::new()).await
    }

    async fn keep(&self, store: &Store, screens: Vec<Screen>) -> Result<(), StoreError> {
        store.put_setting(SETTING, &serde_json::json!(screens)).await?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = screens;
        Ok(())
    }

    /// All paired screens.
    pub fn all(&self) -> Vec<Screen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The reader beside the screen with this token; none for a token that was never given or was taken back.
    pub fn reader_of(&self, token: &str) -> Option<usize> {
        let hash = hashed(token);
        self.all()
            .into_iter()
            .find(|screen| screen.token == hash)
            .map(|screen| screen.reader)
    }
}

fn hashed(token: &str) -> String {
    blob_id(token.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_given_token_is_a_screen() {
        let screens = Screens::default();
        let screen = Screen {
            token: hashed("abc"),
            reader: 2,
            paired_at: 0,
        };
        screens.0.lock().unwrap().push(screen);
        assert_eq!(screens.reader_of("abc"), Some(2));
        assert_eq!(screens.reader_of(&hashed("abc")), None);
        assert_eq!(screens.reader_of(""), None);
    }
}
