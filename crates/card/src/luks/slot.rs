//! The key of a volume as it lies in a slot: spread over 4,000 stripes, of which the loss of one destroys it (the
//! anti-forensic splitter of LUKS1), and ciphered with a key that is stretched from a secret.

use aes::Aes256;
use aes::cipher::KeyInit;
use sha2::{Digest, Sha256};
use xts_mode::{Xts128, get_tweak_default};
use zeroize::Zeroizing;

use crate::device::{BLOCK, SECTOR};
use crate::random::Random;

/// Into how many parts the key is spread.
pub(super) const STRIPES: usize = 4000;
/// How a slot is ciphered, in cryptsetup's words.
pub(super) const CIPHER: &str = "aes-xts-plain64";
/// Bytes of the volume's key.
const KEY: usize = 32;
/// Bytes of a slot: the stripes, filled up to whole blocks.
pub(super) const AREA: u64 = ((KEY * STRIPES) as u64).next_multiple_of(BLOCK);

/// The slot's bytes.
pub(super) fn wrap(key: &[u8; KEY], stretched: &[u8; 64], random: &mut Random) -> Vec<u8> {
    let mut material = vec![0; AREA as usize];
    let mut mixed = [0; KEY];
    let (stripes, _) = material.split_at_mut(KEY * (STRIPES - 1));
    for stripe in stripes.chunks_exact_mut(KEY) {
        let drawn: Zeroizing<[u8; KEY]> = random.draw();
        stripe.copy_from_slice(&*drawn);
        mixed = mix(mixed, stripe);
    }
    for (place, (key, mixed)) in material[KEY * (STRIPES - 1)..]
        .iter_mut()
        .zip(key.iter().zip(mixed))
    {
        *place = key ^ mixed;
    }
    cipher(stretched).encrypt_area(&mut material, SECTOR as usize, 0, get_tweak_default);
    material
}

/// The key behind a slot's bytes; another one where the secret is another one.
pub(super) fn unwrap(mut material: Vec<u8>, stretched: &[u8; 64]) -> Zeroizing<[u8; KEY]> {
    cipher(stretched).decrypt_area(&mut material, SECTOR as usize, 0, get_tweak_default);
    let material = Zeroizing::new(material);
    let mut mixed = [0; KEY];
    let mut stripes = material.chunks_exact(KEY);
    for stripe in stripes.by_ref().take(STRIPES - 1) {
        mixed = mix(mixed, stripe);
    }
    let mut key = Zeroizing::new([0; KEY]);
    let last = stripes.next().unwrap_or_default();
    for (place, (last, mixed)) in key.iter_mut().zip(last.iter().zip(mixed)) {
        *place = last ^ mixed;
    }
    key
}

/// One step of the splitter. A key of one hash's length has one part, whose number is 0.
fn mix(mixed: [u8; KEY], stripe: &[u8]) -> [u8; KEY] {
    let mut sum = mixed;
    for (place, byte) in sum.iter_mut().zip(stripe) {
        *place ^= byte;
    }
    let mut hash = Sha256::new();
    hash.update(0_u32.to_be_bytes());
    hash.update(sum);
    hash.finalize().into()
}

fn cipher(stretched: &[u8; 64]) -> Xts128<Aes256> {
    let (mut first, mut second) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
    first.copy_from_slice(&stretched[..32]);
    second.copy_from_slice(&stretched[32..]);
    Xts128::new(Aes256::new(&(*first).into()), Aes256::new(&(*second).into()))
}
