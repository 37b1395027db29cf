//! Who works at a clinic or a hub, and the one table of what each role may do.

use crate::ids::{ClinicCode, StaffId};
use crate::tree::{Edit, Node};

/// Longest name of a member of staff, in characters.
pub const STAFF_NAME_CHARS_MAX: usize = 50;
/// Longest stored password hash (PHC string), in bytes.
pub const HASH_BYTES_MAX: usize = 256;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$item_doc])* $item,)+
        }

        impl $name {
            /// Every one, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$item),+];

            /// The word in tables, documents and texts.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$item => $word,)+
                }
            }

            /// The one with this word.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|item| item.word() == word)
            }
        }
    };
}

words! {
    /// The roles (code list `role`).
    Role {
        /// Doctor of a village clinic.
        VillageDoctor = "village_doctor",
        /// Doctor of a township centre.
        TownshipDoctor = "township_doctor",
        /// Nurse.
        Nurse = "nurse",
        /// Pharmacist.
        Pharmacist = "pharmacist",
        /// Public-health worker.
        PublicHealthWorker = "ph_worker",
        /// Cashier.
        Cashier = "cashier",
        /// The account of a kiosk.
        Kiosk = "kiosk",
        /// Reader of the county's ECG centre.
        EcgReader = "ecg_reader",
        /// Reviewer of the county's ECG centre.
        EcgReviewer = "ecg_reviewer",
        /// Reader of the imaging centre.
        ImagingReader = "imaging_reader",
        /// Laboratory technician.
        LabTechnician = "lab_tech",
        /// Pathologist.
        Pathologist = "pathologist",
        /// Desk that routes consultations.
        ConsultDesk = "consult_desk",
        /// Consulting expert.
        Expert = "expert",
        /// Desk that routes referrals.
        ReferralDesk = "referral_desk",
        /// Manager of beds.
        BedManager = "bed_manager",
        /// Administrator of the county's hub.
        HubAdministrator = "hub_admin",
        /// Administrator of a clinic.
        ClinicAdministrator = "clinic_admin",
        /// Engineer who installs boxes.
        FieldTechnician = "field_tech",
        /// Auditor.
        Auditor = "auditor",
        /// A resident about themself.
        Resident = "resident",
    }
}

words! {
    /// What can be done. Each page and each form names one.
    Action {
        /// Find people and see who they are: names, birth, sex, address, tails of numbers.
        FindPatients = "find_patients",
        /// See clinical facts: allergies, problems, visits, readings, ECGs.
        ReadClinical = "read_clinical",
        /// Register a person.
        RegisterPatient = "register_patient",
        /// Change who a person is: name, number, address, telephone.
        EditDemographics = "edit_demographics",
        /// Add clinical facts of long standing: allergies, problems, medication.
        EditChart = "edit_chart",
        /// Refute an allergy.
        RefuteAllergy = "refute_allergy",
        /// Decide which of two values counts.
        ResolveClash = "resolve_clash",
        /// Open a visit and write its notes.
        WriteVisit = "write_visit",
        /// Sign a visit.
        SignVisit = "sign_visit",
        /// Amend a signed visit.
        AmendVisit = "amend_visit",
        /// Take readings: open a bay, type a value, record an ECG.
        Measure = "measure",
        /// Mark a reading as taken in error.
        WithdrawReading = "withdraw_reading",
        /// Attach a reading from the unclaimed tray to a person, and take that back.
        ClaimReading = "claim_reading",
        /// See the state of device bays without patients.
        SeeDevices = "see_devices",
        /// Change device bays.
        ManageDevices = "manage_devices",
        /// See what waits for the link and why.
        SeeLink = "see_link",
        /// Enrol at a hub, cut or restore the link.
        ManageLink = "manage_link",
        /// Change the settings of the clinic.
        ManageClinic = "manage_clinic",
        /// Add staff, suspend them, give new sign-ins.
        ManageStaff = "manage_staff",
        /// Take the list of residents in and out.
        ExchangeResidents = "exchange_residents",
        /// Read the audit log.
        ReadAudit = "read_audit",
        /// See the clinics of the county, their contact and queues.
        SeeClinics = "see_clinics",
        /// Add clinics and give enrolment tokens; revoke devices.
        ManageClinics = "manage_clinics",
    }
}

use Action::{
    AmendVisit, ClaimReading, EditChart, EditDemographics, ExchangeResidents, FindPatients, ManageClinic,
    ManageClinics, ManageDevices, ManageLink, ManageStaff, Measure, ReadAudit, ReadClinical, RefuteAllergy,
    RegisterPatient, ResolveClash, SeeClinics, SeeDevices, SeeLink, SignVisit, WithdrawReading, WriteVisit,
};

const DOCTOR: &[Action] = &[
    FindPatients,
    ReadClinical,
    RegisterPatient,
    EditDemographics,
    EditChart,
    RefuteAllergy,
    ResolveClash,
    WriteVisit,
    SignVisit,
    AmendVisit,
    Measure,
    WithdrawReading,
    ClaimReading,
    SeeDevices,
    SeeLink,
];
const NURSE: &[Action] = &[
    FindPatients,
    ReadClinical,
    RegisterPatient,
    EditDemographics,
    EditChart,
    WriteVisit,
    Measure,
    WithdrawReading,
    ClaimReading,
    SeeDevices,
    SeeLink,
];
const PUBLIC_HEALTH: &[Action] = &[
    FindPatients,
    ReadClinical,
    RegisterPatient,
    EditDemographics,
    EditChart,
    WriteVisit,
    Measure,
    WithdrawReading,
    ClaimReading,
    ExchangeResidents,
    SeeDevices,
    SeeLink,
];
const READS: &[Action] = &[FindPatients, ReadClinical, SeeLink];
const COUNTY_READS: &[Action] = &[FindPatients, ReadClinical, SeeClinics];
const EXPERT: &[Action] = &[
    FindPatients,
    ReadClinical,
    EditChart,
    RefuteAllergy,
    ResolveClash,
    SeeClinics,
];
const CASHIER: &[Action] = &[FindPatients, RegisterPatient, EditDemographics, SeeLink];
const COUNTY_DESK: &[Action] = &[FindPatients, ReadClinical, EditDemographics, SeeClinics];
const HUB_ADMINISTRATOR: &[Action] = &[SeeClinics, ManageClinics, ManageStaff, SeeLink];
const CLINIC_ADMINISTRATOR: &[Action] = &[
    FindPatients,
    SeeDevices,
    ManageDevices,
    SeeLink,
    ManageLink,
    ManageClinic,
    ManageStaff,
    ExchangeResidents,
    ReadAudit,
];
const FIELD_TECHNICIAN: &[Action] = &[SeeDevices, ManageDevices, SeeLink, ManageLink];
const AUDITOR: &[Action] = &[ReadAudit, SeeClinics];
const KIOSK: &[Action] = &[Measure];

/// What a role may do: the whole table. What does not stand here is denied.
pub fn allowed(role: Role) -> &'static [Action] {
    match role {
        Role::VillageDoctor | Role::TownshipDoctor => DOCTOR,
        Role::Nurse => NURSE,
        Role::PublicHealthWorker => PUBLIC_HEALTH,
        Role::Pharmacist => READS,
        Role::EcgReader
        | Role::EcgReviewer
        | Role::ImagingReader
        | Role::LabTechnician
        | Role::Pathologist => COUNTY_READS,
        Role::Expert => EXPERT,
        Role::ConsultDesk | Role::ReferralDesk | Role::BedManager => COUNTY_DESK,
        Role::Cashier => CASHIER,
        Role::Kiosk => KIOSK,
        Role::HubAdministrator => HUB_ADMINISTRATOR,
        Role::ClinicAdministrator => CLINIC_ADMINISTRATOR,
        Role::FieldTechnician => FIELD_TECHNICIAN,
        Role::Auditor => AUDITOR,
        Role::Resident => &[],
    }
}

/// Whether a role may do this.
pub fn may(role: Role, action: Action) -> bool {
    allowed(role).contains(&action)
}

words! {
    /// Whether an account works.
    StaffState {
        /// May sign in.
        Active = "active",
        /// May not sign in for now.
        Suspended = "suspended",
        /// Has left; the name stays on what they wrote.
        Left = "left",
    }
}

/// A member of staff, the same at box and hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffMember {
    /// The id that records carry.
    pub id: StaffId,
    /// The name that stands on what they write.
    pub name: String,
    /// What they type to sign in; unique among the staff of one place, compared folded.
    pub login: String,
    /// Their roles; what any of them may, they may.
    pub roles: Vec<Role>,
    /// Whether the account works.
    pub state: StaffState,
    /// Argon2 hash of the password (PHC string); empty where none was set yet.
    pub password_hash: String,
    /// Argon2 hash of the PIN (PHC string); empty where none was set yet.
    pub pin_hash: String,
    /// The clinic where they work; `None` for the county's own staff.
    pub clinic: Option<ClinicCode>,
    /// Whether the password was given by somebody else and must be changed at the next sign-in.
    pub must_change: bool,
}

impl StaffMember {
    /// Whether any of the roles may do this. An account that does not work may nothing.
    pub fn may(&self, action: Action) -> bool {
        self.state == StaffState::Active && self.roles.iter().any(|role| may(*role, action))
    }

    /// The edits of a clinic document that write this member, whole.
    pub fn edits(&self) -> Vec<Edit> {
        let id = self.id.to_string();
        let roles: Vec<&str> = self.roles.iter().map(|role| role.word()).collect();
        let clinic = self.clinic.as_ref().map_or("", ClinicCode::as_str);
        let put = |field: &str, text: &str| Edit::put(&["staff", &id, field], text);
        vec![
            put("name", &self.name),
            put("login", &self.login),
            put("roles", &roles.join(" ")),
            put("state", self.state.word()),
            put("password", &self.password_hash),
            put("pin", &self.pin_hash),
            put("clinic", clinic),
            Edit::put(&["staff", &id, "must_change"], self.must_change),
        ]
    }

    /// Reads the members in a clinic document. Words of a newer release are left out of `roles`; an unknown state
    /// counts as suspended.
    pub fn read_all(clinic: &Node) -> Vec<Self> {
        let members = clinic.entries(&["staff"]);
        members
            .filter_map(|(key, node)| Some(Self::read(key.parse().ok()?, node)))
            .collect()
    }

    fn read(id: StaffId, node: &Node) -> Self {
        let text = |field: &str| node.text(&[field]).unwrap_or_default().to_owned();
        Self {
            id,
            name: text("name"),
            login: text("login"),
            roles: text("roles").split(' ').filter_map(Role::from_word).collect(),
            state: StaffState::from_word(&text("state")).unwrap_or(StaffState::Suspended),
            password_hash: text("password"),
            pin_hash: text("pin"),
            clinic: text("clinic").parse().ok(),
            must_change: node.flag(&["must_change"]).unwrap_or(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;

    #[test]
    fn roles_are_those_of_the_code_list() {
        let listed: Vec<_> = crate::tables::code_list("role")
            .map(|code| code.code.as_str())
            .collect();
        let ours: Vec<_> = Role::ALL.iter().map(|role| role.word()).collect();
        assert_eq!(ours, listed);
    }

    #[test]
    fn limits_of_roles_hold() {
        for role in [
            Role::Cashier,
            Role::Kiosk,
            Role::FieldTechnician,
            Role::Auditor,
            Role::ClinicAdministrator,
        ] {
            assert!(!may(role, ReadClinical), "{role:?} sees clinical facts");
        }
        for role in [
            Role::FieldTechnician,
            Role::Auditor,
            Role::HubAdministrator,
            Role::Resident,
        ] {
            assert!(!may(role, FindPatients), "{role:?} sees names");
        }
        let signers: Vec<_> = Role::ALL.iter().filter(|role| may(**role, SignVisit)).collect();
        assert_eq!(signers, [&Role::VillageDoctor, &Role::TownshipDoctor]);
        assert!(allowed(Role::Resident).is_empty());
    }

    #[test]
    fn every_action_is_somebodys() {
        for action in Action::ALL {
            assert!(
                Role::ALL.iter().any(|role| may(*role, *action)),
                "{action:?} is nobody's"
            );
        }
    }

    #[test]
    fn a_member_comes_back_as_written_and_a_suspended_one_may_nothing() {
        let mut member = StaffMember {
            id: StaffId([3; 8]),
            name: "李医生".into(),
            login: "li".into(),
            roles: vec![Role::VillageDoctor, Role::ClinicAdministrator],
            state: StaffState::Active,
            password_hash: "$argon2id$x".into(),
            pin_hash: String::new(),
            clinic: "0017".parse().ok(),
            must_change: true,
        };
        let mut clinic = Node::default();
        tree::apply_all(&mut clinic, &member.edits()).unwrap();
        assert_eq!(StaffMember::read_all(&clinic), [member.clone()]);
        assert!(member.may(SignVisit) && member.may(ManageStaff));
        member.state = StaffState::Suspended;
        assert!(!member.may(FindPatients));
    }
}
