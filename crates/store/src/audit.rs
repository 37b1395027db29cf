//! The audit log: who saw and changed what, as a hash chain per run of the program.
//!
//! The first entry of a chain names the last head that this machine knew, so that a missing run shows. An entry
//! holds ids and words, never a name or a reading.

mod entry;

use records::ids::{DeviceId, DocId, PatientId, SessionId, StaffId};
use records::time::{Stamp, WallTime};
use sync_core::identity::Actor;

use crate::engine::{Store, StoreError, Tx, Writer};
use crate::sync;
pub use entry::fuzz_one;
use entry::{Entry, parse};

use crate::sql::{Connection, OptionalExtension, params};

/// Views that wait to be written; more than these are written at once.
const VIEWS_MAX: usize = 512;

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// A member of staff.
    Staff(StaffId),
    /// A resident at the kiosk.
    Kiosk,
    /// A device bay by itself.
    Bay,
    /// An import.
    Import,
    /// The program by itself.
    System,
    /// The hub.
    Hub,
}

impl By {
    /// The text in tables: a word, or the staff id in hexadecimal.
    pub fn text(self) -> String {
        match self {
            Self::Staff(id) => id.to_string(),
            Self::Kiosk => "kiosk".to_owned(),
            Self::Bay => "bay".to_owned(),
            Self::Import => "import".to_owned(),
            Self::System => "system".to_owned(),
            Self::Hub => "hub".to_owned(),
        }
    }

    /// Reads the text of [`By::text`].
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "kiosk" => Some(Self::Kiosk),
            "bay" => Some(Self::Bay),
            "import" => Some(Self::Import),
            "system" => Some(Self::System),
            "hub" => Some(Self::Hub),
            id => id.parse().ok().map(Self::Staff),
        }
    }
}

macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)+) => {
        /// What was done. The words are stable: chains of old releases stay readable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum AuditAct {
            $($(#[$doc])* $name,)+
        }

        impl AuditAct {
            /// Every act.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The word in the chain.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

acts! {
    /// Signed in with the password.
    SignIn = "sign_in",
    /// A wrong password or PIN.
    SignInFailed = "sign_in_failed",
    /// Too many wrong ones: locked out.
    LockedOut = "locked_out",
    /// Signed out.
    SignOut = "sign_out",
    /// Unlocked a tablet with the PIN.
    Unlock = "unlock",
    /// Paired a screen or enrolled a tablet.
    Pair = "pair",
    /// First start: clinic and first doctor.
    Setup = "setup",
    /// Joined a hub.
    Enroll = "enroll",
    /// Set or changed the start PIN.
    StartPin = "start_pin",
    /// The hub gave a locked box its share, which opens its data.
    BoxOpened = "box_opened",
    /// A record was purged for ever by the county.
    Purge = "purge",
    /// Registered a patient.
    Register = "register",
    /// Changed a chart.
    ChartChange = "chart_change",
    /// Chose between clashing values.
    ClashResolve = "clash_resolve",
    /// Opened a visit.
    VisitOpen = "visit_open",
    /// Saved a visit.
    VisitSave = "visit_save",
    /// Signed a visit.
    VisitSign = "visit_sign",
    /// Amended a signed visit.
    VisitAmend = "visit_amend",
    /// A device's reading was attached through a bay session.
    ReadingAttach = "reading_attach",
    /// A reading was typed in.
    ReadingType = "reading_type",
    /// A reading was claimed out of the tray.
    ReadingClaim = "reading_claim",
    /// A claimed reading went back into the tray.
    ReadingReturn = "reading_return",
    /// A reading was withdrawn as entered in error.
    ReadingWithdraw = "reading_withdraw",
    /// An ECG was recorded.
    EcgRecord = "ecg_record",
    /// An ECG was withdrawn.
    EcgWithdraw = "ecg_withdraw",
    /// Looked at a patient.
    ViewPatient = "view_patient",
    /// Looked at a visit.
    ViewVisit = "view_visit",
    /// Looked at an ECG.
    ViewEcg = "view_ecg",
    /// Looked at the audit log.
    ViewAudit = "view_audit",
    /// Printed something of a patient.
    Print = "print",
    /// A person identified at the kiosk.
    KioskIdentify = "kiosk_identify",
    /// Wrote a list or records out.
    Export = "export",
    /// Read records in.
    Import = "import",
    /// Changed staff, roles or secrets.
    StaffChange = "staff_change",
    /// Changed settings.
    SettingsChange = "settings_change",
    /// Proposed that two charts are of one person.
    LinkPropose = "link_propose",
    /// Decided whether two charts are of one person.
    LinkDecide = "link_decide",
    /// Saw to an alarm of the machine.
    AlarmSettle = "alarm_settle",
    /// Opened a record outside the own panel for an emergency.
    BreakGlass = "break_glass",
}

/// The audit chain of this run.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    actor: Actor,
    n: u64,
    head: Option<[u8; 32]>,
    views: Vec<View>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct View {
    at: Stamp,
    by: By,
    act: AuditAct,
    patient: Option<PatientId>,
    doc: Option<DocId>,
}

impl Chain {
    pub(crate) fn new(actor: Actor) -> Self {
        Self {
            actor,
            n: 0,
            head: None,
            views: Vec::new(),
        }
    }

    /// Goes on behind the last entry that is kept: a commit whose answer was lost may stand.
    pub(crate) fn look_up(&mut self, sql: &Connection) -> Result<(), StoreError> {
        let mut find = sql.prepare_cached(
            "SELECT n, hash FROM audit WHERE device = ?1 AND session = ?2 ORDER BY n DESC LIMIT 1",
        )?;
        let place = [
            &self.actor.device.as_bytes()[..],
            &self.actor.session.as_bytes()[..],
        ];
        let last = find.query_row(place, |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)));
        if let Some((n, head)) = last.optional()? {
            (self.n, self.head) = (n.cast_unsigned(), Some(head));
        }
        Ok(())
    }
}

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// The device that wrote the chain.
    pub device: DeviceId,
    /// The run of the program.
    pub session: SessionId,
    /// Place in its chain, from 1.
    pub n: u64,
    /// When.
    pub at: WallTime,
    /// Who.
    pub by: By,
    /// What: a word of [`AuditAct`], or of a newer release.
    pub act: String,
    /// About which patient.
    pub patient: Option<PatientId>,
    /// About which document.
    pub doc: Option<DocId>,
}

/// Which lines of the audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// About this patient.
    pub patient: Option<PatientId>,
    /// By this person.
    pub by: Option<By>,
    /// Before this row, for the next page.
    pub before: Option<i64>,
}

/// Writes an entry of what is done in this transaction, after the views that wait.
pub(crate) fn append(
    tx: &mut Tx<'_>,
    by: By,
    act: AuditAct,
    patient: Option<PatientId>,
    doc: Option<DocId>,
) -> Result<(), StoreError> {
    write_views(tx)?;
    let at = tx.now;
    write(
        tx,
        View {
            at,
            by,
            act,
            patient,
            doc,
        },
    )
}

/// Another machine wrote under a session of this device: its chain goes on under a new one, and what the hub has
/// not acknowledged of it is written again there.
pub(crate) fn go_on_under(tx: &mut Tx<'_>, old: Actor, new: Actor) -> Result<(), StoreError> {
    if tx.state.chain.actor != old {
        return Ok(());
    }
    let views = std::mem::take(&mut tx.state.chain.views);
    tx.state.chain = Chain::new(new);
    for entry in sync::unacknowledged_audit(tx, old)? {
        let Some(parsed) = parse(&entry) else { continue };
        let Some(act) = AuditAct::ALL.iter().find(|act| act.word() == parsed.act) else {
            continue;
        };
        write(
            tx,
            View {
                at: parsed.at,
                by: parsed.by,
                act: *act,
                patient: parsed.patient,
                doc: parsed.doc,
            },
        )?;
    }
    tx.state.chain.views = views;
    Ok(())
}

/// Writes the views that wait.
pub(crate) fn write_views(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    for view in std::mem::take(&mut tx.state.chain.views) {
        write(tx, view)?;
    }
    Ok(())
}

fn write(tx: &mut Tx<'_>, view: View) -> Result<(), StoreError> {
    let actor = tx.state.chain.actor;
    let previous = match tx.state.chain.head {
        Some(head) => head,
        None => last_head(tx.sql, actor.device)?,
    };
    let n = tx.state.chain.n + 1;
    let View {
        at,
        by,
        act,
        patient,
        doc,
    } = view;
    let entry = Entry {
        n,
        at,
        by,
        act: act.word(),
        patient,
        doc,
        previous,
    }
    .bytes();
    let hash = *blake3::hash(&entry).as_bytes();
    let row = insert(tx.sql, actor, n, &entry, &hash, at.at, by, act.word(), patient)?;
    sync::note_audit(tx, row, entry.len())?;
    tx.state.chain.n = n;
    tx.state.chain.head = Some(hash);
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the columns of one row")]
fn insert(
    sql: &Connection,
    actor: Actor,
    n: u64,
    entry: &[u8],
    hash: &[u8; 32],
    at: WallTime,
    by: By,
    act: &str,
    patient: Option<PatientId>,
) -> Result<i64, StoreError> {
    let mut insert = sql.prepare_cached(
        "INSERT INTO audit(device, session, n, at, by, act, patient, entry, hash)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    insert.execute(params![
        actor.device.as_bytes(),
        actor.session.as_bytes(),
        n.cast_signed(),
        at.0,
        by.text(),
        act,
        patient.map(|id| id.0),
        entry,
        hash
    ])?;
    Ok(sql.last_insert_rowid()?)
}

/// Head of the chain that this device wrote last; zeros where it wrote none.
fn last_head(sql: &Connection, device: DeviceId) -> Result<[u8; 32], StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT hash FROM audit
         WHERE device = ?1 OR device IN (SELECT predecessor FROM link_successions WHERE device = ?1)
         ORDER BY a DESC LIMIT 1",
    )?;
    Ok(find
        .query_row([device.as_bytes()], |row| row.get(0))
        .optional()?
        .unwrap_or_default())
}

/// Whether this very entry is held.
pub(crate) fn holds(sql: &Connection, actor: Actor, n: u64, entry: &[u8]) -> Result<bool, StoreError> {
    let mut find = sql
        .prepare_cached("SELECT 1 FROM audit WHERE device = ?1 AND session = ?2 AND n = ?3 AND hash = ?4")?;
    let hash = *blake3::hash(entry).as_bytes();
    Ok(find.exists(params![
        actor.device.as_bytes(),
        actor.session.as_bytes(),
        n.cast_signed(),
        hash
    ])?)
}

/// Whether an entry goes on from the one before it in its chain.
pub(crate) fn follows(sql: &Connection, actor: Actor, n: u64, entry: &[u8]) -> Result<bool, StoreError> {
    if n <= 1 {
        return Ok(true);
    }
    let mut find =
        sql.prepare_cached("SELECT hash FROM audit WHERE device = ?1 AND session = ?2 AND n = ?3")?;
    let place = params![
        actor.device.as_bytes(),
        actor.session.as_bytes(),
        (n - 1).cast_signed()
    ];
    let before: Option<[u8; 32]> = find.query_row(place, |row| row.get(0)).optional()?;
    Ok(parse(entry).is_some_and(|parsed| Some(parsed.previous) == before))
}

/// Takes an entry of another device's chain. `false` where it was held already.
pub(crate) fn ingest(
    tx: &Tx<'_>,
    device: DeviceId,
    session: SessionId,
    n: u64,
    entry: &[u8],
) -> Result<bool, StoreError> {
    let parsed = parse(entry)
        .filter(|parsed| parsed.n == n)
        .ok_or(StoreError::Unreadable("audit entry"))?;
    let mut find = tx
        .sql
        .prepare_cached("SELECT 1 FROM audit WHERE device = ?1 AND session = ?2 AND n = ?3")?;
    if find.exists(params![device.as_bytes(), session.as_bytes(), n.cast_signed()])? {
        return Ok(false);
    }
    let hash = *blake3::hash(entry).as_bytes();
    let actor = Actor { device, session };
    insert(
        tx.sql,
        actor,
        n,
        entry,
        &hash,
        parsed.at.at,
        parsed.by,
        &parsed.act,
        parsed.patient,
    )?;
    Ok(true)
}

/// Writes waiting views in a transaction of their own.
pub(crate) fn flush_views(writer: &mut Writer) {
    if writer.state.chain.views.is_empty() {
        return;
    }
    if let Err(error) = writer.transact(write_views) {
        tracing::error!(%error, "views of records could not be written to the audit log yet");
    }
}

/// Finds breaks in the chains held here: wrong hashes, wrong numbers, missing links.
pub(crate) fn verify(sql: &Connection) -> Result<Vec<String>, StoreError> {
    let mut rows =
        sql.prepare("SELECT device, session, n, entry, hash FROM audit ORDER BY device, session, n")?;
    let mut rows = rows.query([])?;
    let mut problems = Vec::new();
    let mut last: Option<(Actor, u64, [u8; 32])> = None;
    while let Some(row) = rows.next()? {
        let actor = Actor {
            device: DeviceId(row.get(0)?),
            session: SessionId(row.get(1)?),
        };
        let n = row.get::<_, i64>(2)?.cast_unsigned();
        let (entry, hash): (Vec<u8>, [u8; 32]) = (row.get(3)?, row.get(4)?);
        let place = format!("audit entry {} of session {}", n, actor.session);
        let Some(parsed) = parse(&entry) else {
            problems.push(format!("{place} is unreadable"));
            continue;
        };
        if *blake3::hash(&entry).as_bytes() != hash || parsed.n != n {
            problems.push(format!("{place} was changed"));
        }
        match last {
            Some((before, number, head)) if before == actor => {
                if n == number + 1 && parsed.previous != head {
                    problems.push(format!("{place} does not follow the entry before it"));
                }
                if n != number + 1 {
                    problems.push(format!("entries before {place} are missing"));
                }
            }
            Some(_) | None if n != 1 => problems.push(format!("entries before {place} are missing")),
            Some(_) | None => {}
        }
        last = Some((actor, n, hash));
    }
    Ok(problems)
}

impl Store {
    /// Notes that someone looked at a record. Views are written together within a second; equal ones in that
    /// second count once.
    pub async fn audit_view(
        &self,
        by: By,
        act: AuditAct,
        patient: Option<PatientId>,
        doc: Option<DocId>,
    ) -> Result<(), StoreError> {
        let at = self.inner.clock.now();
        self.on_writer(move |writer| {
            let views = &mut writer.state.chain.views;
            let same = |view: &View| (view.by, view.act, view.patient, view.doc) == (by, act, patient, doc);
            if !views.iter().any(same) {
                views.push(View {
                    at,
                    by,
                    act,
                    patient,
                    doc,
                });
            }
            if views.len() >= VIEWS_MAX {
                flush_views(writer);
            }
        })
        .await
    }

    /// Notes something that changes no document (a sign-in, an export).
    pub async fn audit_note(
        &self,
        by: By,
        act: AuditAct,
        patient: Option<PatientId>,
    ) -> Result<(), StoreError> {
        self.write(move |tx| append(tx, by, act, patient, None)).await
    }

    /// Lines of the audit log with their rows, newest first.
    pub async fn audit_lines(
        &self,
        filter: AuditFilter,
        limit: usize,
    ) -> Result<Vec<(i64, AuditLine)>, StoreError> {
        self.on_writer(flush_views).await?;
        self.read(move |sql| {
            let mut find = sql.prepare_cached(
                "SELECT a, device, session, n, at, by, act, patient, entry FROM audit
                 WHERE (?1 IS NULL OR patient = ?1) AND (?2 IS NULL OR by = ?2) AND (?3 IS NULL OR a < ?3)
                 ORDER BY a DESC LIMIT ?4",
            )?;
            let by = filter.by.map(By::text);
            let lines = find.query_map(
                params![filter.patient.map(|id| id.0), by, filter.before, limit as i64],
                |row| {
                    let entry: Vec<u8> = row.get(8)?;
                    let by: String = row.get(5)?;
                    let line = AuditLine {
                        device: DeviceId(row.get(1)?),
                        session: SessionId(row.get(2)?),
                        n: row.get::<_, i64>(3)?.cast_unsigned(),
                        at: WallTime(row.get(4)?),
                        by: By::parse(&by).unwrap_or(By::System),
                        act: row.get(6)?,
                        patient: row.get::<_, Option<[u8; 16]>>(7)?.map(PatientId),
                        doc: parse(&entry).and_then(|parsed| parsed.doc),
                    };
                    Ok((row.get(0)?, line))
                },
            )?;
            Ok(lines.collect::<crate::sql::Result<Vec<_>>>()?)
        })
        .await
    }
}
