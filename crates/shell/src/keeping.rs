//! Keeping what is here: a backup to another disk, the exchange by a stick, and the recovery key that opens backups.
//! Long work runs beside the page, one at a time; the page tells what it does and how the last one ended.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use records::time::{Date, WallTime};
use store::{AuditAct, BackupError, Side, StickError, Store};
use web::fields::Fields;
use web::forms::{Faults, Pick};
use web::icons::Icon;
use web::layout::{Page, heading};
use web::moments;
use web::panels::{Class, panel};
use web::status::{Guide, Level, StateRow, states};
use web::texts::Lang;
use web::trouble::Trouble;

use crate::errors::Page as Answer;
use crate::station::Station;
use crate::sticks;
use crate::visitor::{Visitor, go_to};

/// A backup older than this needs a person: a week's work would be lost with the disk.
pub const OLD_MS: i64 = 7 * 24 * 3600 * 1000;
/// Disks and sticks that the page offers.
const PLACES_MAX: usize = 16;
/// Where systems mount what is plugged in.
const MOUNTED_BELOW: [&str; 3] = ["/media/", "/run/media/", "/mnt/"];

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Backup,
    Write,
    Take,
}

/// How a piece of work ended: key of its text, and how many things.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ended {
    work: Work,
    good: bool,
    text: &'static str,
    count: u64,
    at: WallTime,
}

#[derive(Debug, Default)]
struct State {
    running: Option<Work>,
    ended: Option<Ended>,
}

/// Work beside the pages. A cheap clone.
#[derive(Debug, Clone, Default)]
pub struct Keeping {
    state: Arc<Mutex<State>>,
    places: Option<Vec<PathBuf>>,
}

impl Keeping {
    /// Offers these folders, whatever is plugged in.
    pub fn at(places: Vec<PathBuf>) -> Self {
        Self {
            places: Some(places),
            ..Self::default()
        }
    }

    /// Folders of disks and sticks that are plugged in.
    pub fn places(&self) -> Vec<PathBuf> {
        match &self.places {
            Some(places) => places.clone(),
            None => mounted(&std::fs::read_to_string("/proc/self/mounts").unwrap_or_default()),
        }
    }

    fn now(&self) -> (Option<Work>, Option<Ended>) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.running, state.ended.clone())
    }

    /// Begins a piece of work; `false` where another one runs.
    fn begin(&self, work: Work) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.running.is_some() {
            return false;
        }
        state.running = Some(work);
        true
    }

    fn end(&self, ended: Ended) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running = None;
        state.ended = Some(ended);
    }
}

/// Mount points of the kernel's table below the folders where systems mount what is plugged in.
fn mounted(table: &str) -> Vec<PathBuf> {
    let points = table.lines().filter_map(|line| line.split(' ').nth(1));
    let plain = points.map(|point| point.replace("\\040", " ").replace("\\011", "\t"));
    plain
        .filter(|point| MOUNTED_BELOW.iter().any(|below| point.starts_with(below)))
        .map(PathBuf::from)
        .take(PLACES_MAX)
        .collect()
}

/// How the last backup stands: never, old, or good.
pub fn backup_row(lang: Lang, last: Option<WallTime>, now: WallTime, today: Date) -> StateRow {
    let title = lang.t("keeping-backup");
    let guide = || Guide {
        todo: lang.t("keeping-backup-do"),
        who: lang.t_with("alarm-who", &[("who", &lang.t("alarm-who-technician"))]),
        reference: None,
    };
    match last {
        None => StateRow::new(Level::Known, title, lang.t("keeping-backup-never")).guided(guide()),
        Some(at) => {
            let when = moments::day_and_clock(lang, at, today);
            let words = lang.t_with("keeping-backup-at", &[("at", &when)]);
            if now.0 - at.0 > OLD_MS {
                StateRow::new(Level::Known, title, words).guided(guide())
            } else {
                StateRow::new(Level::Good, title, words)
            }
        }
    }
}

/// When the folder was last backed up.
///
/// # Errors
///
/// The store failed.
pub async fn last_backup(store: &Store) -> Answer<Option<WallTime>> {
    Ok(store.last_backup().await?.map(|last| WallTime(last.at_ms)))
}

/// `GET /keeping`.
///
/// # Errors
///
/// The store failed.
pub async fn page<S: Station>(visitor: Visitor<S>) -> Answer {
    let facts = facts(&visitor, &Faults::none()).await?;
    if visitor.part {
        return visitor.part(facts);
    }
    let title = visitor.t("keeping-title");
    visitor
        .page(&Page::new(
            title.clone(),
            html! { (heading(&title, &html! {})) (facts) },
        ))
        .await
}

async fn facts<S: Station>(visitor: &Visitor<S>, faults: &Faults) -> Answer<Markup> {
    let lang = visitor.lang;
    let (store, keeping) = (visitor.state.store(), visitor.state.keeping());
    let last = last_backup(store).await?;
    let (running, ended) = keeping.now();
    let places = keeping.places();
    let mut rows = vec![backup_row(lang, last, visitor.now().at, visitor.today())];
    rows.push(match store.recovery_key().await? {
        Some(_) => StateRow::new(Level::Good, lang.t("keeping-key"), lang.t("keeping-key-made")),
        None => StateRow::new(Level::Known, lang.t("keeping-key"), lang.t("keeping-key-none")),
    });
    let busy = running.is_some();
    Ok(html! {
        div.columns #keeping hx-get="/keeping" hx-trigger="live-sync from:body, live-tick from:body" hx-swap="outerHTML" hx-sync="this:replace" {
            div.stack {
                @if let Some(work) = running { p.tag.tag-note role="status" { (lang.t(running_key(work))) } }
                @if let Some(ended) = &ended { (outcome(visitor, ended)) }
                section.card { h2 { (lang.t("keeping-state")) } (states(&rows)) }
                section.card {
                    h2 { (lang.t("keeping-backup-make")) }
                    p { (lang.t("keeping-backup-about")) }
                    (form(lang, "/keeping/backup", "keeping-backup-go", &places, busy, faults))
                }
            }
            div.stack {
                section.card {
                    h2 { (lang.t("keeping-stick")) }
                    p { (lang.t(if store.side() == Side::Box { "keeping-stick-box" } else { "keeping-stick-hub" })) }
                    (form(lang, "/keeping/stick/write", "keeping-stick-write", &places, busy, &Faults::none()))
                    (form(lang, "/keeping/stick/take", "keeping-stick-take", &places, busy, &Faults::none()))
                }
                section.card {
                    h2 { (lang.t("keeping-key")) }
                    p { (lang.t("keeping-key-about")) }
                    form method="post" action="/keeping/recovery-key" {
                        button.button type="submit" { (lang.t("keeping-key-new")) }
                    }
                    p.quiet { (lang.t("keeping-key-old")) }
                }
            }
        }
    })
}

fn form(lang: Lang, action: &str, submit: &str, places: &[PathBuf], busy: bool, faults: &Faults) -> Markup {
    let label = lang.t("keeping-place");
    let options: Vec<(String, String)> = places
        .iter()
        .map(|place| place.display().to_string())
        .map(|place| (place.clone(), place))
        .collect();
    let only = options
        .first()
        .map(|(place, _)| place.clone())
        .filter(|_| options.len() == 1);
    html! {
        @if options.is_empty() { p.empty { (lang.t("keeping-no-place")) } } @else {
            form.form method="post" action=(action) {
                (faults.summary(lang))
                (Pick::new("place", &label, options).chosen(only.as_deref()).markup(lang, faults))
                div.form-foot { button.button type="submit" disabled[busy] { (lang.t(submit)) } }
            }
        }
    }
}

fn running_key(work: Work) -> &'static str {
    match work {
        Work::Backup => "keeping-running-backup",
        Work::Write => "keeping-running-write",
        Work::Take => "keeping-running-take",
    }
}

fn outcome<S: Station>(visitor: &Visitor<S>, ended: &Ended) -> Markup {
    let lang = visitor.lang;
    let at = moments::day_and_clock(lang, ended.at, visitor.today());
    let class = if ended.good { Class::Done } else { Class::Warning };
    panel(
        lang,
        class,
        &lang.t_n(ended.text, ended.count),
        &html! { p.quiet { (at) } },
    )
}

/// The chosen place, if it is one of those that are plugged in.
fn place<S: Station>(visitor: &Visitor<S>, fields: &Fields) -> Answer<PathBuf> {
    let wanted = Path::new(fields.get("place"));
    let found = visitor
        .state
        .keeping()
        .places()
        .into_iter()
        .find(|place| place == wanted);
    Ok(found.ok_or(Trouble::Unreadable)?)
}

/// `POST /keeping/backup`: begins a backup to a disk that is plugged in.
///
/// # Errors
///
/// The place is none of those that are plugged in, or the store failed.
pub async fn backup<S: Station>(visitor: Visitor<S>, fields: Fields) -> Answer<Response> {
    let place = place(&visitor, &fields)?;
    let store = visitor.state.store().clone();
    let keys = store.backup_keys().await.unwrap_or_default();
    store.audit_note(visitor.by(), AuditAct::Export, None).await?;
    run(&visitor, Work::Backup, async move {
        match store.backup(&place, keys, Box::new(|_, _| {})).await {
            Ok(made) => Ok(("keeping-done-backup", made.changes)),
            Err(error) => Err(backup_fault(&error)),
        }
    });
    go_to("/keeping")
}

/// `POST /keeping/stick/write`: writes what the other side does not have yet.
///
/// # Errors
///
/// The place is none of those that are plugged in, or the store failed.
pub async fn stick_write<S: Station>(visitor: Visitor<S>, fields: Fields) -> Answer<Response> {
    let place = place(&visitor, &fields)?;
    let store = visitor.state.store().clone();
    store.audit_note(visitor.by(), AuditAct::Export, None).await?;
    run(&visitor, Work::Write, async move {
        match sticks::write_files(&store, S::SOFTWARE, &place).await {
            Ok(files) => Ok((
                "keeping-done-write",
                files.iter().map(|file| file.counts.changes).sum(),
            )),
            Err(error) => Err(stick_fault(&error)),
        }
    });
    go_to("/keeping")
}

/// `POST /keeping/stick/take`: takes what the other side wrote.
///
/// # Errors
///
/// The place is none of those that are plugged in, or the store failed.
pub async fn stick_take<S: Station>(visitor: Visitor<S>, fields: Fields) -> Answer<Response> {
    let place = place(&visitor, &fields)?;
    let store = visitor.state.store().clone();
    store.audit_note(visitor.by(), AuditAct::Import, None).await?;
    run(&visitor, Work::Take, async move {
        let Ok(taken) = sticks::take_files(&store, &place).await else {
            return Err("keeping-no-file");
        };
        let mut changes = 0;
        for (_, outcome) in &taken {
            match outcome {
                Ok((_, counts)) => changes += counts.changes,
                Err(error) => return Err(stick_fault(error)),
            }
        }
        Ok(("keeping-done-take", changes))
    });
    go_to("/keeping")
}

fn run<S: Station>(
    visitor: &Visitor<S>,
    work: Work,
    doing: impl Future<Output = Result<(&'static str, u64), &'static str>> + Send + 'static,
) {
    let keeping = visitor.state.keeping().clone();
    if !keeping.begin(work) {
        return;
    }
    let state = visitor.state.clone();
    tokio::spawn(async move {
        // A task of its own, so that work that panics does not stand as running for ever.
        let outcome = tokio::spawn(doing).await.unwrap_or(Err("keeping-failed"));
        let (good, (text, count)) = match outcome {
            Ok(done) => (true, done),
            Err(text) => (false, (text, 0)),
        };
        let at = state.clock().now().at;
        keeping.end(Ended {
            work,
            good,
            text,
            count,
            at,
        });
    });
}

fn backup_fault(error: &BackupError) -> &'static str {
    tracing::warn!(error = %crate::verbs::chain(error), "no backup was made");
    match error {
        BackupError::NoKey => "keeping-no-key",
        BackupError::OnServer => "keeping-on-server",
        BackupError::File { .. } => "keeping-file",
        BackupError::NotWhole(_) | BackupError::NotABackup(_) => "keeping-not-whole",
        BackupError::NotEmpty
        | BackupError::OtherSide
        | BackupError::Seal(_)
        | BackupError::Open(_)
        | BackupError::Store(_) => "keeping-failed",
    }
}

fn stick_fault(error: &StickError) -> &'static str {
    tracing::warn!(error = %crate::verbs::chain(error), "the stick was not written or read");
    match error {
        StickError::NotForHere => "keeping-not-for-here",
        StickError::NobodyWaits => "keeping-nobody-waits",
        StickError::File { .. } => "keeping-file",
        StickError::Seal(_) => "keeping-not-whole",
        StickError::Parcel(store::ParcelError::NotJoined) => "keeping-not-joined",
        StickError::Parcel(store::ParcelError::NotForHere) => "keeping-not-for-here",
        StickError::Parcel(store::ParcelError::Unheard) => "keeping-unheard",
        StickError::Parcel(_) | StickError::Store(_) => "keeping-failed",
    }
}

/// `POST /keeping/recovery-key`: makes a new key and shows its secret, this once.
///
/// # Errors
///
/// The store failed.
pub async fn recovery_key<S: Station>(visitor: Visitor<S>) -> Answer<Response> {
    let lang = visitor.lang;
    let store = visitor.state.store();
    let key = match store.new_recovery_key().await {
        Ok(key) => key,
        Err(error) => return Err(Trouble::broken(&error).into()),
    };
    store
        .audit_note(visitor.by(), AuditAct::SettingsChange, None)
        .await?;
    let title = lang.t("keeping-key");
    let made = moments::day_and_clock(lang, visitor.now().at, visitor.today());
    let secret = key.secret_text();
    let body = html! {
        (heading(&title, &html! {}))
        section.card.narrow.stack {
            (panel(lang, Class::Must, &lang.t("keeping-key-once"), &html! { p { (lang.t("keeping-key-once-do")) } }))
            p.recovery-key.num { (secret) }
            @if let Ok(code) = web::qr::code(&secret, &lang.t("keeping-key-qr")) { (code) }
            p.quiet { (visitor.state.place(lang).await?) " · " (made) }
            p { (lang.t("keeping-key-about")) }
            div.form-foot.no-print {
                button.button.button-main type="button" data-print="" { (Icon::Print.svg()) (lang.t("print")) }
                a.button href="/keeping" { (lang.t("keeping-key-kept")) }
            }
        }
    };
    let markup = visitor.frame().await?.page(&Page::new(title.clone(), body));
    Ok((StatusCode::OK, [("cache-control", "no-store")], markup).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_plugged_in_is_offered() {
        let table = "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /media/usb\\040stick vfat rw 0 0\nproc /proc proc rw 0 0\n\
                     /dev/sdc1 /mnt/backup ext4 rw 0 0\ntmpfs /mntx tmpfs rw 0 0\n";
        let found = mounted(table);
        assert_eq!(
            found,
            [PathBuf::from("/media/usb stick"), PathBuf::from("/mnt/backup")]
        );
        assert!(mounted("").is_empty() && mounted("broken").is_empty());
    }

    #[test]
    fn a_backup_that_is_old_or_missing_asks_for_a_person() {
        let today = "2026-03-10".parse().unwrap();
        let now = WallTime(1_773_100_000_000);
        let level = |last| backup_row(Lang::Zh, last, now, today).level;
        assert_eq!(level(None), Level::Known);
        assert_eq!(level(Some(WallTime(now.0 - OLD_MS - 1))), Level::Known);
        assert_eq!(level(Some(WallTime(now.0 - OLD_MS))), Level::Good);
    }

    #[test]
    fn one_piece_of_work_runs_at_a_time() {
        let keeping = Keeping::default();
        assert!(keeping.begin(Work::Backup));
        assert!(!keeping.begin(Work::Take));
        let ended = Ended {
            work: Work::Backup,
            good: true,
            text: "keeping-done-backup",
            count: 3,
            at: WallTime(1),
        };
        keeping.end(ended.clone());
        assert_eq!(keeping.now(), (None, Some(ended)));
        assert!(keeping.begin(Work::Take));
    }
}
