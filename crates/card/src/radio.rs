//! The box's own radio network, as the row of its card names it: the settings of `hostapd`.

use crate::identity::Identity;

/// The radio that the network is on, by the kernel's name.
pub const INTERFACE: &str = "wlan0";
/// Tablets that one radio serves: a clinic has a handful, and the chip of a Pi 3 carries no more.
pub const STATIONS_MAX: u8 = 16;
/// Channels of the 2.4 GHz band that do not overlap; every country allows them, and every tablet has them.
const CHANNELS: [u8; 3] = [1, 6, 11];

/// The channel of a card: the same at every start, spread over the cards of a county.
fn channel(identity: &Identity) -> u8 {
    CHANNELS[identity.disk_signature as usize % CHANNELS.len()]
}

/// The file of settings for `hostapd`. It holds the network's password.
///
/// The row's fields were checked as it was read: the password has letters, digits and hyphens only, the country two
/// capitals. The name may be Chinese, so it is given by its bytes.
pub fn settings(identity: &Identity) -> String {
    let (name, country) = (hex::encode(&identity.wifi_name), &identity.country);
    let (password, channel) = (&identity.wifi_password, channel(identity));
    format!(
        "interface={INTERFACE}\n\
         driver=nl80211\n\
         ssid2={name}\n\
         utf8_ssid=1\n\
         country_code={country}\n\
         ieee80211d=1\n\
         hw_mode=g\n\
         channel={channel}\n\
         ieee80211n=1\n\
         wmm_enabled=1\n\
         max_num_sta={STATIONS_MAX}\n\
         # Tablets talk to the box, not to each other.\n\
         ap_isolate=1\n\
         auth_algs=1\n\
         wpa=2\n\
         wpa_key_mgmt=WPA-PSK\n\
         rsn_pairwise=CCMP\n\
         wpa_passphrase={password}\n"
    )
}
