//! The hub's share of a box's opening: random bytes that the county's hub keeps and gives to a box that it serves. They
//! open nothing by themselves: what opens the slot is the share mixed with the machine's key, so that neither who has the
//! card nor who has the hub's database opens the data.

use zeroize::Zeroizing;

use crate::pin::mixed;
use crate::protection::DeviceKey;

/// Bytes of a share.
pub const SHARE_LEN: usize = 32;

/// A share; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct HubShare(Zeroizing<[u8; SHARE_LEN]>);

impl HubShare {
    /// The share of these bytes, which were drawn at random.
    pub fn new(bytes: Zeroizing<[u8; SHARE_LEN]>) -> Self {
        Self(bytes)
    }

    /// The share of 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; SHARE_LEN]);
        hex::decode_to_slice(text, &mut *bytes).ok()?;
        Some(Self(bytes))
    }

    /// 64 hexadecimal digits. A secret.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(*self.0))
    }

    /// The bytes. A secret.
    pub fn bytes(&self) -> &[u8; SHARE_LEN] {
        &self.0
    }

    /// The secret of the slot in the volume of this number, on the machine of this key.
    pub fn secret(&self, own: &DeviceKey, volume: [u8; 16]) -> Zeroizing<[u8; 32]> {
        mixed(own, b"clinic box hub share 1\n", volume, &*self.0)
    }
}

impl std::fmt::Debug for HubShare {
    /// Never shows it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HubShare")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protection::Source;

    #[test]
    fn another_share_another_machine_and_another_volume_have_other_secrets() {
        let own = |first: u8| DeviceKey::of(Source::Otp, &(first..first + 32).collect::<Vec<u8>>()).unwrap();
        let share = |byte| HubShare::new(Zeroizing::new([byte; SHARE_LEN]));
        let secret = share(1).secret(&own(0), [1; 16]);
        assert_eq!(secret, share(1).secret(&own(0), [1; 16]));
        for other in [
            share(2).secret(&own(0), [1; 16]),
            share(1).secret(&own(1), [1; 16]),
            share(1).secret(&own(0), [2; 16]),
        ] {
            assert_ne!(secret, other);
        }
        assert_ne!(*secret, *share(1).bytes());
    }

    #[test]
    fn a_share_is_read_as_it_was_written_and_shown_to_nobody() {
        let share = HubShare::new(Zeroizing::new([7; SHARE_LEN]));
        assert_eq!(HubShare::from_hex(&share.to_hex()), Some(share.clone()));
        for text in ["", "07", &"zz".repeat(32), &"07".repeat(33)] {
            assert_eq!(HubShare::from_hex(text), None);
        }
        assert_eq!(format!("{share:?}"), "HubShare");
    }
}
