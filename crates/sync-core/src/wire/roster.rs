//! The body of a roster fact: the staff of one clinic, whole.

use records::ids::StaffId;

use crate::wire::bytes::{Reader, WireFault, Writer};

/// Most members of one clinic's staff.
pub const MAX_STAFF: usize = 500;
/// Most roles of one person.
const MAX_ROLES: usize = 16;
/// Most bytes of a name, login or role code.
const MAX_NAME: usize = 256;
/// Most bytes of a password hash in PHC text form.
const MAX_HASH: usize = 256;

/// One member of staff as the hub states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterEntry {
    /// The person, the same id at box and hub.
    pub id: StaffId,
    /// The name as shown.
    pub name: String,
    /// The name to sign in with.
    pub login: String,
    /// Codes of the role list.
    pub roles: Vec<String>,
    /// Word of the account's state.
    pub state: String,
    /// Whether the password is one that somebody else chose.
    pub must_change: bool,
    /// Hash of the password (PHC text); empty where none is set.
    pub password_hash: String,
    /// Hash of the PIN (PHC text); empty where none is set.
    pub pin_hash: String,
}

/// Writes the body of a roster fact.
pub fn encode_roster(staff: &[RosterEntry]) -> Vec<u8> {
    let mut out = Writer::default();
    out.count(staff.len());
    for person in staff {
        out.put(person.id.as_bytes());
        out.bytes(person.name.as_bytes());
        out.bytes(person.login.as_bytes());
        out.count(person.roles.len());
        person.roles.iter().for_each(|role| out.bytes(role.as_bytes()));
        out.bytes(person.state.as_bytes());
        out.flag(person.must_change);
        out.bytes(person.password_hash.as_bytes());
        out.bytes(person.pin_hash.as_bytes());
    }
    out.bytes
}

/// Reads the body of a roster fact.
pub fn decode_roster(bytes: &[u8]) -> Result<Vec<RosterEntry>, WireFault> {
    let mut from = Reader::new(bytes);
    let mut staff = Vec::new();
    for _ in 0..from.count(MAX_STAFF, 15, "staff")? {
        let id = StaffId(from.array("staff id")?);
        let name = from.text(MAX_NAME, "staff name")?;
        let login = from.text(MAX_NAME, "login")?;
        let mut roles = Vec::new();
        for _ in 0..from.count(MAX_ROLES, 1, "roles")? {
            roles.push(from.text(MAX_NAME, "role")?);
        }
        let state = from.text(MAX_NAME, "staff state")?;
        let must_change = from.flag("must change")?;
        let password_hash = from.text(MAX_HASH, "password hash")?;
        let pin_hash = from.text(MAX_HASH, "pin hash")?;
        staff.push(RosterEntry {
            id,
            name,
            login,
            roles,
            state,
            must_change,
            password_hash,
            pin_hash,
        });
    }
    from.end("roster")?;
    Ok(staff)
}
