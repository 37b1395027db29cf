//! Bounds on tries from one place: sign-in, PIN, the call for the doctor.

use std::net::IpAddr;
use std::time::Duration;

use web::guard::RateLimit;

/// Sign-in tries of one address at once; the store's lock-out counts per person besides.
const SIGN_IN_BURST: u32 = 10;
const SIGN_IN_EACH: Duration = Duration::from_secs(6);
/// Presses on kiosk pages of one address at once.
const KIOSK_BURST: u32 = 40;
const KIOSK_EACH: Duration = Duration::from_millis(500);

/// Bounds on tries.
#[derive(Debug)]
pub struct Limits {
    /// Sign-in and PIN, by address.
    pub sign_in: RateLimit<Option<IpAddr>>,
    /// Kiosk pages, by address.
    pub kiosk: RateLimit<Option<IpAddr>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sign_in: RateLimit::new(SIGN_IN_BURST, SIGN_IN_EACH),
            kiosk: RateLimit::new(KIOSK_BURST, KIOSK_EACH),
        }
    }
}
