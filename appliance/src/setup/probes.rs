//! What tablets ask to find out whether a Wi-Fi leads to the Internet. They are answered "yes": a tablet that
//! hears nothing leaves the box's network or sends its traffic elsewhere.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The answer that the asking system takes for "connected"; `None` for a host that is no probe.
pub fn answer(host: &str, path: &str, probe_hosts: &[String]) -> Option<Response> {
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if !probe_hosts.iter().any(|probe| probe.eq_ignore_ascii_case(host)) {
        return None;
    }
    let plain = |text: &'static str| ([(header::CONTENT_TYPE, "text/plain")], text).into_response();
    Some(match path {
        "/hotspot-detect.html" | "/library/test/success.html" => {
            let success = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>";
            ([(header::CONTENT_TYPE, "text/html")], success).into_response()
        }
        "/connecttest.txt" => plain("Microsoft Connect Test"),
        "/ncsi.txt" => plain("Microsoft NCSI"),
        _ => StatusCode::NO_CONTENT.into_response(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LanConfig;

    #[test]
    fn probes_are_told_what_they_want_to_hear() {
        let hosts = LanConfig::default().probe_hosts;
        let status = |host, path| answer(host, path, &hosts).map(|response| response.status().as_u16());
        assert_eq!(
            status("connectivitycheck.gstatic.com", "/generate_204"),
            Some(204)
        );
        assert_eq!(status("Connect.Rom.MIUI.com:80", "/generate_204"), Some(204));
        assert_eq!(status("captive.apple.com", "/hotspot-detect.html"), Some(200));
        assert_eq!(status("www.msftconnecttest.com", "/connecttest.txt"), Some(200));
        assert_eq!(status("192.168.8.1", "/generate_204"), None);
        assert_eq!(status("evil.example", "/"), None);
    }
}
