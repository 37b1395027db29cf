//! Tables for spreadsheets: UTF-8 with a byte order mark, lines ended by CRLF, long numbers kept as text and
//! nothing that a spreadsheet would run.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// Digits from which a spreadsheet begins to round or to write 4.40981E+17.
const LONG_DIGITS: usize = 11;

/// One line of cells, as it stands in the file.
fn line(cells: &[String], out: &mut String) {
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&protected(cell));
    }
    out.push_str("\r\n");
}

/// A cell as a spreadsheet leaves it alone: numbers that it would change are written `="…"`, formulas lose
/// their power by an apostrophe, and signs of the format are quoted.
fn protected(cell: &str) -> String {
    let digits = cell.strip_suffix(['X', 'x']).unwrap_or(cell);
    let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let changed_by_reading =
        number && (cell.len() >= LONG_DIGITS || (cell.len() > 1 && cell.starts_with('0')));
    if changed_by_reading {
        return format!("\"=\"\"{cell}\"\"\"");
    }
    let runs = cell.starts_with(['=', '+', '@', '\t', '\r'])
        || (cell.starts_with('-') && cell.parse::<f64>().is_err());
    let cell = if runs { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

/// A file of these rows; the first is the head.
pub fn sheet(rows: impl IntoIterator<Item = Vec<String>>) -> Vec<u8> {
    let mut out = String::from("\u{feff}");
    for row in rows {
        line(&row, &mut out);
    }
    out.into_bytes()
}

/// What a cell of such a file says: undoes `="…"` and the apostrophe before a formula.
pub fn plain(cell: &str) -> &str {
    let cell = cell.trim();
    if let Some(inner) = cell.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')) {
        return inner;
    }
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '@', '-']) => rest,
        Some(_) | None => cell,
    }
}

/// The file as a download under an ASCII name.
pub fn download(name: &str, rows: impl IntoIterator<Item = Vec<String>>) -> Response {
    let plain: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .collect();
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{plain}\""))
        .unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/csv; charset=utf-8"),
        ),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    (headers, sheet(rows)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_cannot_spoil_or_run_a_cell() {
        for (cell, written) in [
            ("44098119860504123X", "\"=\"\"44098119860504123X\"\"\""),
            ("13800000000", "\"=\"\"13800000000\"\"\""),
            ("0017", "\"=\"\"0017\"\"\""),
            ("王秀英", "王秀英"),
            ("a,\"b\"", "\"a,\"\"b\"\"\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("-3.5", "-3.5"),
            ("-2+3", "'-2+3"),
            ("0", "0"),
        ] {
            assert_eq!(protected(cell), written, "{cell}");
        }
    }

    #[test]
    fn cells_come_back_as_they_were() {
        for cell in ["44098119860504123X", "0017", "=A1", "王秀英", "-3.5", "O'Brien"] {
            let written = protected(cell);
            let unquoted = written
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
                .unwrap_or(&written);
            assert_eq!(plain(&unquoted.replace("\"\"", "\"")), cell);
        }
        assert!(sheet([vec!["a".to_owned()]]).starts_with("\u{feff}a\r\n".as_bytes()));
    }
}
