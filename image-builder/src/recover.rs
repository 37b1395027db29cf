//! `recover`: the recovery key of a card whose own box is gone, opened with the county's key.

use std::path::Path;

use anyhow::{Context, Result, bail};
use card::FileDevice;
use card::layout::Layout;
use card::mbr::Extent;
use card::signed::SecretKey;
use card::{luks, recovery};
use zeroize::Zeroizing;

/// What was found.
pub struct Recovered {
    /// The recovery key's text. A secret.
    pub text: Zeroizing<String>,
    /// Where the encrypted volume lies on the card.
    pub extent: Extent,
}

/// Opens the recovery key of a card or of an image of one, and tries it on the volume's own slots.
///
/// # Errors
/// One sentence; the card is only read.
pub fn recover(path: &Path, key: &SecretKey) -> Result<Recovered> {
    let mut device =
        FileDevice::open_to_read(path).with_context(|| format!("cannot open {}", path.display()))?;
    let layout = Layout::read(&mut device).context("this is no card of a clinic box")?;
    let Some(extent) = layout.data else {
        bail!("no data were made on this card yet");
    };
    let Some(header) = luks::read(&mut device, extent)? else {
        bail!("the data of this card are not encrypted");
    };
    let sealed = header
        .sealed_recovery()
        .context("the card holds no recovery key")?;
    let text = recovery::open(sealed, key)?;
    if header.open(&mut device, extent, text.as_bytes())?.is_none() {
        bail!("the recovery key does not open the data any more: their slot is damaged, or was taken away");
    }
    Ok(Recovered { text, extent })
}
