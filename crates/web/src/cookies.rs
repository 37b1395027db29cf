//! The few cookies of the pages: reading one, and the header lines that set them.

use axum::http::{HeaderMap, HeaderValue, header};

/// Name of the cookie that carries the browser session's token.
pub const SESSION_COOKIE: &str = "clinic_session";

/// Seconds that the choice of a language is kept: a year.
const LANG_SECONDS: u32 = 31_536_000;

/// Longest cookie value that is looked at.
const VALUE_LIMIT: usize = 256;

/// The value of the first cookie with this name.
pub fn get(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let mut pairs = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let value = pairs.find(|(found, _)| *found == name)?.1;
    (value.len() <= VALUE_LIMIT).then(|| value.to_owned())
}

/// The `Set-Cookie` line that begins a browser session. `secure` where the page came over TLS. The cookie ends
/// with the browser; how long the session itself lives is the store's matter.
///
/// `None` where the token holds other characters than letters, digits, `-` and `_`.
pub fn begin_session(token: &str, secure: bool) -> Option<HeaderValue> {
    let plain = token
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !plain || token.is_empty() || token.len() > VALUE_LIMIT {
        return None;
    }
    let secure = if secure { "; Secure" } else { "" };
    HeaderValue::try_from(format!(
        "{SESSION_COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax{secure}"
    ))
    .ok()
}

/// The `Set-Cookie` line that ends a browser session.
pub fn end_session() -> HeaderValue {
    HeaderValue::from_static("clinic_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
}

/// The `Set-Cookie` line that keeps the chosen language.
pub fn keep_lang(lang: crate::texts::Lang) -> Option<HeaderValue> {
    let name = crate::texts::LANG_COOKIE;
    let line = format!(
        "{name}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age={LANG_SECONDS}",
        lang.code()
    );
    HeaderValue::try_from(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::COOKIE,
            "x=1; clinic_session=ab-C_9; lang=zh".parse().unwrap(),
        );
        assert_eq!(get(&headers, SESSION_COOKIE).as_deref(), Some("ab-C_9"));
        assert_eq!(get(&headers, "session"), None);
        headers.insert(
            header::COOKIE,
            format!("lang={}", "a".repeat(300)).parse().unwrap(),
        );
        assert_eq!(get(&headers, "lang"), None);
    }

    #[test]
    fn a_token_cannot_bring_attributes_of_its_own() {
        assert!(begin_session("abc; Domain=evil", true).is_none());
        assert!(begin_session("", false).is_none());
        let line = begin_session("abc", true).unwrap();
        assert!(line.to_str().unwrap().ends_with("; Secure"));
        assert!(
            !begin_session("abc", false)
                .unwrap()
                .to_str()
                .unwrap()
                .contains("Secure")
        );
    }
}
