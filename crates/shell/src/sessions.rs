//! Browser sessions of a station, as the pages' guard asks for them.

use web::guard::{Answer, Caller, Sessions, SessionsDown, SignedIn, Wake};

use crate::station::Station;

/// The store's sessions of those who work here.
pub struct StationSessions<S>(S);

impl<S: Station> StationSessions<S> {
    /// The sessions of this station.
    pub fn of(station: &S) -> Self {
        Self(station.clone())
    }
}

impl<S: Station> Sessions for StationSessions<S> {
    fn look_up<'a>(
        &'a self,
        token: &'a str,
        wake: Wake,
    ) -> Answer<'a, Result<Option<SignedIn>, SessionsDown>> {
        Box::pin(async move {
            let found = self.0.store().browser_session(token, wake == Wake::Person);
            let session = found.await.map_err(|error| SessionsDown(Box::new(error)))?;
            let session = session.filter(|session| self.0.works_here(&session.staff));
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
        Box::pin(std::future::ready(self.0.is_kiosk(caller)))
    }
}
