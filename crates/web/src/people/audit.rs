//! The audit log as pages show it: who looked at and changed whose record.

use maud::{Markup, html};
use records::ids::PatientId;
use records::time::{Date, WallTime};

use crate::moments;
use crate::texts::Lang;

/// One line of the log.
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// When.
    pub at: WallTime,
    /// Who, in words.
    pub who: String,
    /// The word of the act, as the log has it.
    pub act: String,
    /// Whose record, with the name that it has here.
    pub patient: Option<(PatientId, String)>,
}

/// Draws lines of the log, newest first.
pub fn table(lang: Lang, lines: &[AuditRow], today: Date) -> Markup {
    html! {
        @if lines.is_empty() { p.empty { (lang.t("audit-empty")) } } @else {
            div.scroll tabindex="0" role="group" aria-label=(lang.t("audit-title")) {
                table.table {
                    thead { tr {
                        th scope="col" { (lang.t("column-time")) }
                        th scope="col" { (lang.t("audit-who")) }
                        th scope="col" { (lang.t("audit-what")) }
                        th scope="col" { (lang.t("audit-whom")) }
                    } }
                    tbody { @for line in lines {
                        tr {
                            td { span.num { (moments::day_and_clock(lang, line.at, today)) } }
                            td { (line.who) }
                            td { (act(lang, &line.act)) }
                            td { @if let Some((id, name)) = &line.patient { a href={ "/audit?patient=" (id) } { (name) } } }
                        }
                    } }
                }
            }
        }
    }
}

/// The words for an act; a newer release's word is shown as it is.
pub fn act(lang: Lang, word: &str) -> String {
    match word {
        "sign_in" => lang.t("act-sign-in"),
        "sign_in_failed" => lang.t("act-sign-in-failed"),
        "locked_out" => lang.t("act-locked-out"),
        "sign_out" => lang.t("act-sign-out"),
        "unlock" => lang.t("act-unlock"),
        "pair" => lang.t("act-pair"),
        "setup" => lang.t("act-setup"),
        "enroll" => lang.t("act-enroll"),
        "start_pin" => lang.t("act-start-pin"),
        "box_opened" => lang.t("act-box-opened"),
        "purge" => lang.t("act-purge"),
        "link_propose" => lang.t("act-link-propose"),
        "link_decide" => lang.t("act-link-decide"),
        "alarm_settle" => lang.t("act-alarm-settle"),
        "register" => lang.t("act-register"),
        "chart_change" => lang.t("act-chart-change"),
        "clash_resolve" => lang.t("act-clash-resolve"),
        "visit_open" => lang.t("act-visit-open"),
        "visit_save" => lang.t("act-visit-save"),
        "visit_sign" => lang.t("act-visit-sign"),
        "visit_amend" => lang.t("act-visit-amend"),
        "reading_attach" => lang.t("act-reading-attach"),
        "reading_type" => lang.t("act-reading-type"),
        "reading_claim" => lang.t("act-reading-claim"),
        "reading_return" => lang.t("act-reading-return"),
        "reading_withdraw" => lang.t("act-reading-withdraw"),
        "ecg_record" => lang.t("act-ecg-record"),
        "ecg_withdraw" => lang.t("act-ecg-withdraw"),
        "view_patient" => lang.t("act-view-patient"),
        "view_visit" => lang.t("act-view-visit"),
        "view_ecg" => lang.t("act-view-ecg"),
        "view_audit" => lang.t("act-view-audit"),
        "print" => lang.t("act-print"),
        "kiosk_identify" => lang.t("act-kiosk-identify"),
        "export" => lang.t("act-export"),
        "import" => lang.t("act-import"),
        "staff_change" => lang.t("act-staff-change"),
        "settings_change" => lang.t("act-settings-change"),
        "break_glass" => lang.t("act-break-glass"),
        newer => newer.to_owned(),
    }
}
