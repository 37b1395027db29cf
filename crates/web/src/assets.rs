//! Styles, scripts and the icon, inside the program, under names that carry a hash of their content: a browser
//! keeps them for ever, and a new release can never meet an old file.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/assets"]
struct Files;

/// Bytes of the hash that stand in a name.
const HASH_BYTES: usize = 6;

/// Folder of the assets in addresses.
const FOLDER: &str = "/assets/";

struct Asset {
    bytes: std::borrow::Cow<'static, [u8]>,
    kind: &'static str,
}

struct Table {
    addresses: HashMap<String, String>,
    by_hashed_name: HashMap<String, Asset>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table {
        addresses: HashMap::new(),
        by_hashed_name: HashMap::new(),
    };
    for name in Files::iter() {
        let Some(file) = Files::get(&name) else { continue };
        let hash = hex::encode(&file.metadata.sha256_hash()[..HASH_BYTES]);
        let (stem, ending) = name.rsplit_once('.').unwrap_or((&name, ""));
        let hashed = format!("{stem}.{hash}.{ending}");
        table
            .addresses
            .insert(name.to_string(), format!("{FOLDER}{hashed}"));
        table.by_hashed_name.insert(
            hashed,
            Asset {
                bytes: file.data,
                kind: kind_of(ending),
            },
        );
    }
    table
});

fn kind_of(ending: &str) -> &'static str {
    match ending {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        _ => "application/octet-stream",
    }
}

/// The address of an asset by its plain name (`clinic.css`), with its hash.
pub fn address(name: &str) -> &'static str {
    TABLE
        .addresses
        .get(name)
        .map_or("/assets/missing", String::as_str)
}

/// The content of an asset by its plain name; for pages that are written to files.
pub fn content(name: &str) -> Option<Vec<u8>> {
    Files::get(name).map(|file| file.data.into_owned())
}

/// Serves the assets and `/favicon.ico`. No sign-in, no personal data: the only answers that may be cached.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route(
            "/assets/{name}",
            get(|Path(name): Path<String>| async move { answer(&name) }),
        )
        .route(
            "/favicon.ico",
            get(|| async { answer(address("favicon.svg").trim_start_matches(FOLDER)) }),
        )
}

fn answer(hashed: &str) -> Response {
    match TABLE.by_hashed_name.get(hashed) {
        Some(asset) => {
            let headers = [
                (header::CONTENT_TYPE, asset.kind),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, asset.bytes.clone()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_served_by_its_hashed_name_only() {
        for name in ["clinic.css", "clinic.js", "htmx.js", "favicon.svg"] {
            let hashed = address(name).strip_prefix(FOLDER).unwrap();
            let answered = answer(hashed);
            assert_eq!(answered.status(), StatusCode::OK, "{name}");
            assert!(
                answered.headers()[header::CACHE_CONTROL]
                    .to_str()
                    .unwrap()
                    .contains("immutable")
            );
            assert_eq!(answer(name).status(), StatusCode::NOT_FOUND);
        }
    }

    #[test]
    fn scripts_speak_to_nobody_else() {
        for name in ["clinic.css", "clinic.js"] {
            let text = String::from_utf8(content(name).unwrap()).unwrap();
            let foreign = text
                .match_indices("://")
                .filter(|(at, _)| !text[..*at].ends_with("www.w3.org"));
            let hosts: Vec<_> = foreign
                .map(|(at, _)| &text[at..(at + 30).min(text.len())])
                .collect();
            assert!(
                hosts.iter().all(|host| host.starts_with("://www.w3.org")),
                "{name}: {hosts:?}"
            );
        }
    }
}
