//! Members of the staff, as the pages about them need them.

use records::ids::StaffId;
use records::staff::{StaffMember, StaffState};
use web::texts::Lang;
use web::trouble::Trouble;

use crate::errors::Page;
use crate::station::Station;
use crate::visitor::Visitor;

/// The member of an address.
///
/// # Errors
///
/// There is no such member, or the store failed.
pub async fn member_of<S: Station>(visitor: &Visitor<S>, id: &str) -> Page<StaffMember> {
    let id: StaffId = id.parse().map_err(|_| Trouble::NotFound)?;
    let member = visitor.state.store().staff_member(id).await?;
    member.ok_or_else(|| Trouble::NotFound.into())
}

/// The states of a member as the options of a choice.
pub fn states(lang: Lang) -> Vec<(String, String)> {
    [
        (StaffState::Active, "staff-active"),
        (StaffState::Suspended, "staff-suspended"),
        (StaffState::Left, "staff-left"),
    ]
    .map(|(state, key)| (state.word().to_owned(), lang.t(key)))
    .to_vec()
}
