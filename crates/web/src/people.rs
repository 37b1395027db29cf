//! What pages of box and hub say about people, made from records: charts, readings, visits, clashes, and the forms
//! that change a chart. The programs bring the records and keep what is written.

use records::ids::DocKind;

use crate::texts::Lang;

pub mod audit;
pub mod clashes;
pub mod courses;
pub mod demographics;
pub mod facts;
pub mod recording;
pub mod shelf;
pub mod standing;
pub mod visit;

pub use audit::AuditRow;
pub use shelf::{Names, Shelf};

/// What a kind of document is called; `None` is one of a newer release.
pub fn doc_kind(lang: Lang, kind: Option<DocKind>) -> String {
    match kind {
        Some(DocKind::Chart) => lang.t("doc-chart"),
        Some(DocKind::Encounter) => lang.t("doc-encounter"),
        Some(DocKind::Series) => lang.t("doc-series"),
        Some(DocKind::Request) => lang.t("doc-request"),
        Some(DocKind::Link) => lang.t("doc-link"),
        Some(DocKind::Clinic) => lang.t("doc-clinic"),
        None => lang.t("doc-newer"),
    }
}
