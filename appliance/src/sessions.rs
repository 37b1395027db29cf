//! Browser sessions of the box, as the pages' guard asks for them.

use std::sync::Arc;

use store::Store;
use web::guard::{Answer, Caller, Sessions, SessionsDown, SignedIn, Wake};

use crate::config::KioskConfig;
use crate::kiosk::screens::Screens;
use crate::state::AppState;

/// The store's sessions and the paired screens.
pub struct BoxSessions {
    store: Store,
    screens: Screens,
    kiosk: Arc<KioskConfig>,
}

impl BoxSessions {
    /// The sessions of this box.
    pub fn new(state: &AppState) -> Self {
        Self {
            store: state.store.clone(),
            screens: state.kiosks.screens().clone(),
            kiosk: Arc::clone(&state.kiosk_config),
        }
    }
}

impl Sessions for BoxSessions {
    fn look_up<'a>(
        &'a self,
        token: &'a str,
        wake: Wake,
    ) -> Answer<'a, Result<Option<SignedIn>, SessionsDown>> {
        Box::pin(async move {
            let found = self.store.browser_session(token, wake == Wake::Person).await;
            let session = found.map_err(|error| SessionsDown(Box::new(error)))?;
            Ok(session.map(|session| SignedIn {
                staff: session.staff.id,
                name: session.staff.name,
                roles: session.staff.roles,
                locked: session.locked,
                token: token.to_owned(),
            }))
        })
    }

    fn is_kiosk<'a>(&'a self, caller: &'a Caller) -> Answer<'a, bool> {
        Box::pin(async move {
            let paired = caller
                .screen
                .as_deref()
                .is_some_and(|token| self.screens.reader_of(token).is_some());
            let own_screen = self.kiosk.on_loopback && caller.peer.is_some_and(|peer| peer.is_loopback());
            paired || own_screen
        })
    }
}
