//! What is printed for cards: a sheet of labels with a code that a telephone joins the network by, and a hand-over
//! sheet in Chinese for each clinic. Both hold passwords.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use card::identity::{Identity, Secrets};
use krilla::Document;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::page::PageSettings;
use krilla::surface::Surface;
use krilla::text::{Font, TextDirection};
use qrcode::{Color, QrCode};

/// The Debian package of the only font that has every character of a Chinese name.
pub const FONT_PACKAGE: &str = "fonts-noto-cjk";
/// Where it puts the font.
pub const FONT_FILE: &str = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc";
/// Simplified Chinese in that collection: Japanese 0, Korean 1, then this.
const SIMPLIFIED: u32 = 2;

/// A4 in points.
const PAGE: (f32, f32) = (595.28, 841.89);
const MM: f32 = 72.0 / 25.4;
/// A label is 95 by 52 mm, two beside each other and five above each other.
const LABEL: (f32, f32) = (95.0 * MM, 52.0 * MM);
const LABELS: (usize, usize) = (2, 5);

/// A card that was made.
#[derive(Debug)]
pub struct Made {
    /// Its row.
    pub identity: Identity,
    /// What is used once.
    pub secrets: Secrets,
}

/// The font of the sheets.
///
/// # Errors
/// One sentence with the package to install.
pub fn font(path: &Path) -> Result<Font> {
    let Ok(bytes) = std::fs::read(path) else {
        bail!("the sheets need the font of the Debian package {FONT_PACKAGE}: install it and call again");
    };
    let data: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::new(bytes);
    Font::new(data.into(), SIMPLIFIED)
        .with_context(|| format!("{} is not the font of {FONT_PACKAGE}", path.display()))
}

/// What a telephone reads to join the network; the characters with a meaning of their own are escaped.
pub fn wifi_code(identity: &Identity) -> String {
    let escaped = |text: &str| {
        let mut out = String::new();
        for letter in text.chars() {
            if "\\;,:\"".contains(letter) {
                out.push('\\');
            }
            out.push(letter);
        }
        out
    };
    let (name, password) = (escaped(&identity.wifi_name), escaped(&identity.wifi_password));
    format!("WIFI:T:WPA;S:{name};P:{password};;")
}

/// The sheet of labels and a hand-over sheet for each card, as one PDF.
///
/// # Errors
/// Where the PDF cannot be made.
pub fn pdf(cards: &[Made], font: &Font) -> Result<Vec<u8>> {
    let mut document = Document::new();
    let settings = || PageSettings::from_wh(PAGE.0, PAGE.1).context("the page has no size");
    for sheet in cards.chunks(LABELS.0 * LABELS.1) {
        let mut page = document.start_page_with(settings()?);
        let mut pen = Pen {
            surface: page.surface(),
            font,
        };
        for (place, card) in sheet.iter().enumerate() {
            let (column, line) = (place % LABELS.0, place / LABELS.0);
            let left = (PAGE.0 - LABEL.0 * LABELS.0 as f32) / 2.0 + column as f32 * LABEL.0;
            let top = (PAGE.1 - LABEL.1 * LABELS.1 as f32) / 2.0 + line as f32 * LABEL.1;
            label(&mut pen, card, left, top)?;
        }
        drop(pen);
        page.finish();
    }
    for card in cards {
        let mut page = document.start_page_with(settings()?);
        let mut pen = Pen {
            surface: page.surface(),
            font,
        };
        hand_over(&mut pen, card)?;
        drop(pen);
        page.finish();
    }
    match document.finish() {
        Ok(bytes) => Ok(bytes),
        Err(fault) => bail!("the sheets cannot be made: {fault:?}"),
    }
}

struct Pen<'a> {
    surface: Surface<'a>,
    font: &'a Font,
}

impl Pen<'_> {
    /// Draws a text whose lines break at this width; returns the height of what was drawn.
    fn text(&mut self, text: &str, left: f32, top: f32, size: f32, width: f32) -> f32 {
        let lines = broken(text, width / size);
        for (number, line) in lines.iter().enumerate() {
            let base = top + size + number as f32 * size * 1.35;
            let at = Point::from_xy(left, base);
            self.surface
                .draw_text(at, self.font.clone(), size, line, false, TextDirection::Auto);
        }
        lines.len() as f32 * size * 1.35
    }

    fn box_of(&mut self, left: f32, top: f32, width: f32, height: f32) {
        if let Some(rect) = Rect::from_xywh(left, top, width, height) {
            let mut path = PathBuilder::new();
            path.push_rect(rect);
            if let Some(path) = path.finish() {
                self.surface.draw_path(&path);
            }
        }
    }

    fn code(&mut self, text: &str, left: f32, top: f32, side: f32) -> Result<()> {
        let code = QrCode::new(text).context("the network's name is too long for a code")?;
        let width = code.width();
        let module = side / width as f32;
        for (index, color) in code.to_colors().into_iter().enumerate() {
            if color == Color::Dark {
                let (column, line) = ((index % width) as f32, (index / width) as f32);
                self.box_of(left + column * module, top + line * module, module, module);
            }
        }
        Ok(())
    }
}

/// Breaks a text after so many widths of a character; half of one for what is not Chinese.
fn broken(text: &str, widths: f32) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0.0;
    for letter in text.chars() {
        let width = if letter.is_ascii() { 0.6 } else { 1.0 };
        if used + width > widths && used > 0.0 {
            lines.push(String::new());
            used = 0.0;
        }
        used += width;
        if let Some(line) = lines.last_mut() {
            line.push(letter);
        }
    }
    lines
}

fn label(pen: &mut Pen<'_>, card: &Made, left: f32, top: f32) -> Result<()> {
    let Made { identity, secrets } = card;
    let side = 30.0 * MM;
    pen.code(&wifi_code(identity), left + 4.0 * MM, top + 10.0 * MM, side)?;
    let (text, width) = (left + 38.0 * MM, LABEL.0 - 42.0 * MM);
    let mut at = top + 5.0 * MM;
    at += pen.text(&identity.clinic_name, text, at, 11.0, width) + 3.0;
    for (name, value) in [
        ("机构代码", &identity.clinic),
        ("无线名称", &identity.wifi_name),
        ("无线密码", &identity.wifi_password),
        ("初始口令", &secrets.code),
        ("卡号", &identity.row),
    ] {
        at += pen.text(&format!("{name}:{value}"), text, at, 8.5, width) + 1.0;
    }
    Ok(())
}

/// What the technician does and the clinic signs.
const STEPS: [&str; 7] = [
    "1. 断电状态下插入存储卡，接好网线或上网模块，再接通电源。",
    "2. 等待约两分钟：首次启动会建立加密数据区，期间请勿断电；断电也不会损坏，只会重新开始。",
    "3. 用平板扫描二维码或手工输入密码，连接盒子的无线网络。",
    "4. 平板浏览器打开 http://clinic.box ，按提示安装证书。",
    "5. 用初始口令登录，由村医本人设置姓名、密码和 PIN。初始口令只能使用一次。",
    "6. 状态页显示“已入网”即完成；没有网络也可以先使用，联网后自动入网。",
    "7. 打印并妥善保管恢复密钥：它只显示一次。",
];

fn hand_over(pen: &mut Pen<'_>, card: &Made) -> Result<()> {
    let Made { identity, secrets } = card;
    let (left, width) = (20.0 * MM, PAGE.0 - 40.0 * MM);
    let mut at = 20.0 * MM;
    at += pen.text("乡医盒子 交接单", left, at, 20.0, width) + 12.0;
    for (name, value) in [
        ("卫生室", &identity.clinic_name),
        ("机构代码", &identity.clinic),
        ("县级中心", &identity.hub),
        ("无线名称", &identity.wifi_name),
        ("无线密码", &identity.wifi_password),
        ("初始口令", &secrets.code),
        ("卡号", &identity.row),
        ("制卡时间", &identity.issued),
    ] {
        at += pen.text(&format!("{name}:{value}"), left, at, 12.0, width - 45.0 * MM) + 3.0;
    }
    pen.code(
        &wifi_code(identity),
        PAGE.0 - 20.0 * MM - 36.0 * MM,
        38.0 * MM,
        36.0 * MM,
    )?;
    at += 14.0;
    for step in STEPS {
        at += pen.text(step, left, at, 12.0, width) + 5.0;
    }
    at += 12.0;
    at += pen.text(
        "本单含密码，交接后由卫生室保管，技术人员不得留存。",
        left,
        at,
        12.0,
        width,
    ) + 24.0;
    pen.text(
        "交付人：           接收人：           日期：",
        left,
        at,
        12.0,
        width,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_broken_by_width_and_nothing_of_it_is_lost() {
        let text = "石门村卫生室 A0017 号盒子".repeat(7);
        let lines = broken(&text, 12.0);
        assert_eq!(lines.concat(), text);
        assert!(lines.len() > 3 && lines.iter().all(|line| line.chars().count() <= 20));
        assert_eq!(broken("", 10.0).len(), 1);
    }

    #[test]
    fn without_its_font_the_sheet_names_the_package() {
        let fault = font(Path::new("/nowhere")).map(|_| ()).unwrap_err().to_string();
        assert!(fault.contains(FONT_PACKAGE), "{fault}");
    }
}
