//! The county's list of staff: who may be added where, and one-time sign-ins; also beside a running `serve`.

use records::ids::{ClinicCode, StaffId};
use records::pinyin::name_keys;
use records::staff::{Role, STAFF_NAME_CHARS_MAX, StaffMember, StaffState};
use records::text::{fold_search, tidy};
use store::{AuditAct, By, Store, StoreError};

/// Signs of one-time passwords: none that is read as another.
const PASSWORD_SIGNS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789+";
/// Groups of four signs in a one-time password: 60 bits.
const PASSWORD_GROUPS: usize = 3;
/// Longest login that is made from a name, in characters.
const LOGIN_CHARS_MAX: usize = 16;

/// Why a person was not added.
#[derive(Debug, thiserror::Error)]
pub enum StaffError {
    /// The name is empty or too long.
    #[error("a name has 1 to {STAFF_NAME_CHARS_MAX} characters")]
    Name,
    /// The role is given at a clinic.
    #[error("the role {0} belongs to a clinic; name its code")]
    NeedsClinic(&'static str),
    /// The role is one of the county.
    #[error("the role {0} belongs to the county; it has no clinic")]
    NoClinic(&'static str),
    /// Nobody is given this role.
    #[error("the role {0} is not given to staff")]
    NotGiven(&'static str),
    /// No clinic has this code.
    #[error("no clinic has the code {0}; add it first")]
    UnknownClinic(ClinicCode),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where a role is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At a clinic: signs in at its box.
    Clinic,
    /// At the county: signs in at the hub's desks.
    County,
    /// To no member of staff.
    Nowhere,
}

/// Where a role is given.
pub fn place_of(role: Role) -> Place {
    match role {
        Role::VillageDoctor
        | Role::TownshipDoctor
        | Role::Nurse
        | Role::Pharmacist
        | Role::PublicHealthWorker
        | Role::Cashier
        | Role::ClinicAdministrator => Place::Clinic,
        Role::EcgReader
        | Role::EcgReviewer
        | Role::ImagingReader
        | Role::LabTechnician
        | Role::Pathologist
        | Role::ConsultDesk
        | Role::Expert
        | Role::ReferralDesk
        | Role::BedManager
        | Role::HubAdministrator
        | Role::FieldTechnician
        | Role::Auditor => Place::County,
        Role::Kiosk | Role::Resident => Place::Nowhere,
    }
}

/// A sign-in that is changed when it is first used.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTime {
    /// Whose it is.
    pub staff: StaffId,
    /// What the person types to say who they are.
    pub user: String,
    /// The password, shown once.
    pub password: String,
}

/// Adds a person with a one-time password. `by` is who adds them.
pub async fn add(
    store: &Store,
    by: By,
    role: Role,
    name: &str,
    clinic: Option<&ClinicCode>,
) -> Result<OneTime, StaffError> {
    check_place(store, role, clinic).await?;
    let name = checked_name(name)?;
    let login = free_login(&name, role, &store.staff().await?);
    let password = one_time_password(store);
    let member = StaffMember {
        id: StaffId(store.fresh()),
        name,
        login: login.clone(),
        roles: vec![role],
        state: StaffState::Active,
        password_hash: store.hash_secret(&password).await?,
        pin_hash: String::new(),
        clinic: clinic.cloned(),
        must_change: true,
    };
    let staff = member.id;
    keep(store, by, member).await?;
    Ok(OneTime {
        staff,
        user: login,
        password,
    })
}

/// Adds a person of the county with a password that stays, unless somebody of this name and role is there: what a
/// demonstration starts with. Returns the login.
pub async fn settle(store: &Store, role: Role, name: &str, password: &str) -> Result<String, StaffError> {
    check_place(store, role, None).await?;
    let name = checked_name(name)?;
    let staff = store.staff().await?;
    let known = staff
        .iter()
        .find(|member| member.name == name && member.roles.contains(&role));
    if let Some(known) = known {
        return Ok(known.login.clone());
    }
    let member = StaffMember {
        id: StaffId(store.fresh()),
        login: free_login(&name, role, &staff),
        name,
        roles: vec![role],
        state: StaffState::Active,
        password_hash: store.hash_secret(password).await?,
        pin_hash: String::new(),
        clinic: None,
        must_change: false,
    };
    let login = member.login.clone();
    keep(store, By::System, member).await?;
    Ok(login)
}

/// Gives a person a new one-time password; open sessions of theirs end.
pub async fn renew(store: &Store, by: By, mut member: StaffMember) -> Result<OneTime, StoreError> {
    let password = one_time_password(store);
    member.password_hash = store.hash_secret(&password).await?;
    member.must_change = true;
    let one_time = OneTime {
        staff: member.id,
        user: member.login.clone(),
        password,
    };
    store.end_sessions_of(member.id, None).await?;
    keep(store, by, member).await?;
    Ok(one_time)
}

/// Keeps a member in the county's list; their clinic hears of it with its next contact.
pub async fn keep(store: &Store, by: By, member: StaffMember) -> Result<(), StoreError> {
    store.put_member(member).await?;
    store.audit_note(by, AuditAct::StaffChange, None).await
}

async fn check_place(store: &Store, role: Role, clinic: Option<&ClinicCode>) -> Result<(), StaffError> {
    match (place_of(role), clinic) {
        (Place::Nowhere, _) => Err(StaffError::NotGiven(role.word())),
        (Place::Clinic, None) => Err(StaffError::NeedsClinic(role.word())),
        (Place::County, Some(_)) => Err(StaffError::NoClinic(role.word())),
        (Place::County, None) => Ok(()),
        (Place::Clinic, Some(code)) => {
            let known = store.clinics().await?.iter().any(|clinic| clinic.code == *code);
            if known {
                Ok(())
            } else {
                Err(StaffError::UnknownClinic(code.clone()))
            }
        }
    }
}

fn checked_name(name: &str) -> Result<String, StaffError> {
    let name = tidy(name);
    if name.is_empty() || name.chars().count() > STAFF_NAME_CHARS_MAX {
        return Err(StaffError::Name);
    }
    Ok(name)
}

/// A login made from a name: pinyin in full, else its own letters, with a number where somebody has it.
fn free_login(name: &str, role: Role, staff: &[StaffMember]) -> String {
    let spelt = name_keys(name)
        .full
        .first()
        .map(|syllables| syllables.concat())
        .unwrap_or_default();
    let plain = |text: &str| -> String {
        let letters = text
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(LOGIN_CHARS_MAX);
        letters.collect::<String>().to_ascii_lowercase()
    };
    let base = [spelt.as_str(), name, role.word()]
        .into_iter()
        .map(plain)
        .find(|login| !login.is_empty());
    let base = base.unwrap_or_default();
    let taken = |login: &str| {
        staff
            .iter()
            .any(|member| fold_search(&member.login) == fold_search(login))
    };
    let numbered = (2u32..).map(|number| format!("{base}{number}"));
    std::iter::once(base.clone())
        .chain(numbered)
        .find(|login| !taken(login))
        .unwrap_or_default()
}

fn one_time_password(store: &Store) -> String {
    let mut random = [0u8; PASSWORD_GROUPS * 4];
    store.fill_random(&mut random);
    let signs = random.map(|byte| char::from(PASSWORD_SIGNS[usize::from(byte % 32)]));
    let groups: Vec<String> = signs.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_its_place() {
        for role in Role::ALL {
            let clinical_place = place_of(*role);
            let signs_in_somewhere = !matches!(role, Role::Kiosk | Role::Resident);
            assert_eq!(clinical_place != Place::Nowhere, signs_in_somewhere, "{role:?}");
        }
    }

    #[test]
    fn a_login_is_spelt_from_the_name_and_never_given_twice() {
        let mut staff = Vec::new();
        let mut member = |name: &str| {
            let login = free_login(name, Role::Expert, &staff);
            staff.push(StaffMember {
                id: StaffId([u8::try_from(staff.len()).unwrap(); 8]),
                name: name.to_owned(),
                login: login.clone(),
                roles: vec![Role::Expert],
                state: StaffState::Active,
                password_hash: String::new(),
                pin_hash: String::new(),
                clinic: None,
                must_change: true,
            });
            login
        };
        assert_eq!(member("何县医"), "hexianyi");
        assert_eq!(member("何县医"), "hexianyi2");
        assert_eq!(member("Anna Berg"), "annaberg");
        assert_eq!(member("·"), "expert");
    }
}
