//! Browser sessions of the desks, as the pages' guard asks for them.

use store::Store;
use web::guard::{Answer, Caller, Sessions, SessionsDown, SignedIn, Wake};

/// The store's sessions.
pub struct DeskSessions(Store);

impl DeskSessions {
    /// The sessions of this hub.
    pub fn new(store: &Store) -> Self {
        Self(store.clone())
    }
}

impl Sessions for DeskSessions {
    fn look_up<'a>(
        &'a self,
        token: &'a str,
        wake: Wake,
    ) -> Answer<'a, Result<Option<SignedIn>, SessionsDown>> {
        Box::pin(async move {
            let found = self.0.browser_session(token, wake == Wake::Person).await;
            let session = found.map_err(|error| SessionsDown(Box::new(error)))?;
            // Desks are the county's: who works at a clinic now has no session here.
            let session = session.filter(|session| session.staff.clinic.is_none());
            Ok(session.map(|session| SignedIn {
                staff: session.staff.id,
                name: session.staff.name,
                roles: session.staff.roles,
                locked: session.locked,
                token: token.to_owned(),
            }))
        })
    }

    /// A hub has no kiosk.
    fn is_kiosk<'a>(&'a self, _caller: &'a Caller) -> Answer<'a, bool> {
        Box::pin(std::future::ready(false))
    }
}
