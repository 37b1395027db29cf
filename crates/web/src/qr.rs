//! QR codes as SVG: the set-up page's Wi-Fi and address, a record's id on a print.

use maud::{Markup, PreEscaped, html};
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

/// Longest text that is put into a code: beyond it cheap cameras fail.
const TEXT_LIMIT: usize = 800;

/// The text does not fit a code that a cheap camera reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is too long for a qr code")]
pub struct TooLong;

/// A QR code of this text with a quiet zone; `label` is what a screen reader says.
pub fn code(text: &str, label: &str) -> Result<Markup, TooLong> {
    if text.len() > TEXT_LIMIT {
        return Err(TooLong);
    }
    let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(|_| TooLong)?;
    let drawn = code
        .render::<svg::Color<'_>>()
        .min_dimensions(200, 200)
        .quiet_zone(true)
        .build();
    let drawn = drawn.split_once("?>").map_or(drawn.as_str(), |(_, svg)| svg);
    Ok(html! { div.qr role="img" aria-label=(label) { (PreEscaped(drawn)) } })
}

/// The text by which a telephone joins a Wi-Fi network (`WIFI:T:WPA;S:…;P:…;;`), with its signs escaped.
pub fn wifi(name: &str, password: &str) -> String {
    let escape = |text: &str| {
        text.chars()
            .flat_map(|c| {
                matches!(c, '\\' | ';' | ',' | ':' | '"')
                    .then_some('\\')
                    .into_iter()
                    .chain([c])
            })
            .collect::<String>()
    };
    format!("WIFI:T:WPA;S:{};P:{};;", escape(name), escape(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_an_svg_without_a_prologue() {
        let drawn = code("https://10.11.12.1/", "地址").unwrap().into_string();
        assert!(drawn.contains("<svg") && !drawn.contains("<?xml"));
        assert_eq!(code(&"x".repeat(2000), "").unwrap_err(), TooLong);
    }

    #[test]
    fn signs_of_a_password_do_not_end_it() {
        assert_eq!(wifi("诊室", r#"a;b:c\"#), r"WIFI:T:WPA;S:诊室;P:a\;b\:c\\;;");
    }
}
