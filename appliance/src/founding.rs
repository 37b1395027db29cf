//! The first facts of a box: its clinic and its first doctor. First start asks for them page by page; the demo and
//! tests bring them whole.

use records::clinics::Clinic;
use records::ids::{DocKind, FormId, StaffId};
use records::staff::{Role, StaffMember, StaffState};
use serde_json::{Value, json};
use store::{AuditAct, By, Commit, CommitError, Lane, LocalEffect, Store, StoreError, Target, Write};

/// Setting that says how far first start has come.
const PROGRESS: &str = "first_start";

/// A step of first start that leaves nothing else behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The language was chosen.
    Language,
    /// The hub was joined, or put off.
    Hub,
    /// First start is over.
    Done,
}

impl Mark {
    fn word(self) -> &'static str {
        match self {
            Self::Language => "language",
            Self::Hub => "hub",
            Self::Done => "done",
        }
    }
}

/// Why the first facts were not written.
#[derive(Debug, thiserror::Error)]
pub enum FoundingFault {
    /// The clinic has no code: nothing can belong to it.
    #[error("the clinic has no code")]
    NoCode,
    /// The doctor comes after the clinic.
    #[error("there is no clinic yet")]
    NoClinic,
    /// It could not be saved.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// It could not be read or kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether a step is marked as done.
pub async fn is_marked(store: &Store, mark: Mark) -> Result<bool, StoreError> {
    let kept = store.setting(PROGRESS).await?.unwrap_or_default();
    Ok(kept.get(mark.word()).and_then(Value::as_bool).unwrap_or(false))
}

/// Marks a step as done.
pub async fn mark(store: &Store, mark: Mark) -> Result<(), StoreError> {
    let mut kept = store
        .setting(PROGRESS)
        .await?
        .filter(Value::is_object)
        .unwrap_or_else(|| json!({}));
    if let Some(kept) = kept.as_object_mut() {
        kept.insert(mark.word().to_owned(), true.into());
    }
    store.put_setting(PROGRESS, &kept).await
}

/// Marks first start as over.
pub async fn finish(store: &Store) -> Result<(), StoreError> {
    for step in [Mark::Language, Mark::Hub, Mark::Done] {
        mark(store, step).await?;
    }
    Ok(())
}

/// Founds the clinic of this box. Where it has been founded before nothing is written.
pub async fn found_clinic(store: &Store, clinic: &Clinic) -> Result<(), FoundingFault> {
    if store.clinic_document().await?.is_some() {
        return Ok(());
    }
    let code = clinic.code.clone().ok_or(FoundingFault::NoCode)?;
    // The code first: cut off between the two, the step is taken again.
    store.set_clinic(&code).await?;
    let target = Target::New {
        kind: DocKind::Clinic,
        owner: code,
    };
    let write = Write::new(target, clinic.edits_from(&Clinic::default()));
    let commit = Commit::new(By::System, AuditAct::Setup, vec![write]);
    store.commit(commit).await?;
    Ok(())
}

/// The first doctor as entered.
pub struct NewDoctor {
    /// Name.
    pub name: String,
    /// What they type to sign in.
    pub login: String,
    /// Password.
    pub password: String,
    /// PIN.
    pub pin: String,
}

/// Adds the first doctor, who looks after the clinic too until somebody else does.
pub async fn add_first_doctor(store: &Store, doctor: &NewDoctor) -> Result<StaffId, FoundingFault> {
    let member = StaffMember {
        id: StaffId(store.fresh()),
        name: doctor.name.clone(),
        login: doctor.login.clone(),
        roles: vec![Role::VillageDoctor, Role::ClinicAdministrator],
        state: StaffState::Active,
        password_hash: store.hash_secret(&doctor.password).await?,
        pin_hash: store.hash_secret(&doctor.pin).await?,
        clinic: store.clinic().await?,
        must_change: false,
    };
    keep_member(store, By::Staff(member.id), &member, None).await?;
    Ok(member.id)
}

/// Keeps a member in the clinic's document, and in the roster where the hub has adopted them.
pub async fn keep_member(
    store: &Store,
    by: By,
    member: &StaffMember,
    form: Option<FormId>,
) -> Result<(), FoundingFault> {
    let doc = store.clinic_document().await?.ok_or(FoundingFault::NoClinic)?;
    let write = Write::new(Target::Existing(doc), member.edits());
    let commit = Commit {
        writes: vec![write],
        blobs: Vec::new(),
        by,
        act: AuditAct::StaffChange,
        lane: Lane::P2,
        form,
        settle: form.map(LocalEffect::DropDraft).into_iter().collect(),
    };
    store.commit(commit).await?;
    if store.in_roster(member.id).await? {
        store.put_roster(vec![member.clone()], false).await?;
    }
    Ok(())
}
