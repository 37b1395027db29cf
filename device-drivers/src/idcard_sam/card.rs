//! The text block of a card, in its four layouts.

use std::fmt;

use jiff::civil::Date;

use crate::framing::RejectReason;

/// Bytes of the text block, UTF-16LE padded with blanks.
const TEXT: usize = 256;
/// Most bytes of the photo in the WLT coding.
const PHOTO: usize = 1024;
/// Most bytes of the finger prints.
const FINGER_MAX: usize = 1024;
/// Where the letter of the layout stands.
const TYPE_AT: usize = 248;

/// A card as it was read. Its debug form names nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct IdCard {
    /// Which kind of card.
    pub kind: CardKind,
    /// Name as it is printed; the Chinese name where the card has both.
    pub name: String,
    /// Name in Latin letters, on foreigners' cards.
    pub latin_name: Option<String>,
    /// Sex as coded: 1 male, 2 female, 0 unknown, 9 unspecified.
    pub sex_code: String,
    /// Ethnicity as coded: 01 to 56, 97 other, 98 naturalised; on resident cards only.
    pub ethnicity_code: Option<String>,
    /// Birth date as it stands: YYYYMMDD.
    pub birth_text: String,
    /// Birth date, if the text is a real date.
    pub birth: Option<Date>,
    /// Address printed on the card; foreigners' cards have none.
    pub address: Option<String>,
    /// Address written into the card later; it stands before the printed one.
    pub new_address: Option<String>,
    /// Number of the card's holder, its check digit not judged.
    pub number: String,
    /// Authority that made the card.
    pub authority: Option<String>,
    /// Validity.
    pub validity: Validity,
    /// Pass number, on residence permits of Hong Kong, Macao and Taiwan residents.
    pub pass_number: Option<String>,
    /// How often it was issued (residence permits) or renewed (foreigners' cards of 2023).
    pub issue_count: Option<String>,
    /// Nationality, three letters, on foreigners' cards of 2017.
    pub nationality: Option<String>,
    /// The photo.
    pub photo: Photo,
}

/// The kinds of cards; each has a layout of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CardKind {
    /// Resident identity card.
    Resident,
    /// Residence permit of Hong Kong, Macao and Taiwan residents.
    HmtResidencePermit,
    /// Foreign permanent resident, layout of 2017.
    Foreigner2017,
    /// Foreign permanent resident, layout of 2023 (recalled, to be checked against a card).
    Foreigner2023,
}

impl CardKind {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Resident => "resident",
            Self::HmtResidencePermit => "hmt_residence_permit",
            Self::Foreigner2017 => "foreign_permanent_resident",
            Self::Foreigner2023 => "foreign_permanent_resident_2023",
        }
    }
}

/// From when to when a card is valid, as it stands on it: YYYYMMDD, or 长期 for no end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Validity {
    /// First day.
    pub from: String,
    /// Last day.
    pub to: String,
}

/// A photo in the WLT coding, which only licensed libraries decode.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Photo(pub Vec<u8>);

impl fmt::Debug for Photo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Photo({} bytes)", self.0.len())
    }
}

impl fmt::Debug for IdCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdCard({})", self.kind.word())
    }
}

impl IdCard {
    /// The address in force: the one written later, else the printed one.
    pub fn current_address(&self) -> Option<&str> {
        self.new_address.as_deref().or(self.address.as_deref())
    }

    /// Reads what follows the status word: lengths, text, photo and perhaps finger prints.
    pub(super) fn parse(data: &[u8]) -> Result<Self, RejectReason> {
        let length = |at: usize| {
            let bytes = data
                .get(at..at + 2)
                .and_then(|bytes| bytes.first_chunk())
                .copied();
            bytes
                .map(|bytes| usize::from(u16::from_be_bytes(bytes)))
                .ok_or(RejectReason::Length)
        };
        let (text_length, photo_length) = (length(0)?, length(2)?);
        if text_length != TEXT || photo_length > PHOTO {
            return Err(RejectReason::Length);
        }
        let plain = 4 + text_length + photo_length;
        let head = if data.len() == plain {
            4
        } else {
            let finger_length = length(4)?;
            if finger_length > FINGER_MAX || data.len() != plain + 2 + finger_length {
                return Err(RejectReason::Length);
            }
            6
        };
        let photo = Photo(data[head + text_length..head + text_length + photo_length].to_vec());
        Self::from_text(&data[head..head + text_length], photo)
    }

    fn from_text(block: &[u8], photo: Photo) -> Result<Self, RejectReason> {
        let field = |at: usize, length: usize| text(block.get(at..at + length).ok_or(RejectReason::Length)?);
        let some = |at: usize, length: usize| field(at, length).map(Some);
        let kind = match field(TYPE_AT, 2)?.as_str() {
            "J" => CardKind::HmtResidencePermit,
            "I" => CardKind::Foreigner2017,
            "Y" => CardKind::Foreigner2023,
            "" => CardKind::Resident,
            _ => return Err(RejectReason::Layout),
        };
        // Resident cards, permits and the 2023 layout agree in these places.
        let mut card = Self {
            kind,
            name: field(0, 30)?,
            latin_name: None,
            sex_code: field(30, 2)?,
            ethnicity_code: None,
            birth_text: field(36, 16)?,
            birth: None,
            address: None,
            new_address: None,
            number: field(122, 36)?,
            authority: None,
            validity: Validity {
                from: field(188, 16)?,
                to: field(204, 16)?,
            },
            pass_number: None,
            issue_count: None,
            nationality: None,
            photo,
        };
        match kind {
            CardKind::Resident => {
                card.ethnicity_code = some(32, 4)?;
                card.address = some(52, 70)?;
                card.authority = some(158, 30)?;
            }
            CardKind::HmtResidencePermit => {
                card.address = some(52, 70)?;
                card.authority = some(158, 30)?;
                card.pass_number = some(220, 18)?;
                card.issue_count = some(238, 4)?;
            }
            CardKind::Foreigner2017 => {
                card.latin_name = some(0, 120)?;
                card.name = field(158, 30)?;
                card.sex_code = field(120, 2)?;
                card.number = field(122, 30)?;
                card.nationality = some(152, 6)?;
                card.birth_text = field(220, 16)?;
                card.authority = some(240, 8)?;
            }
            CardKind::Foreigner2023 => {
                card.issue_count = some(32, 4)?;
                card.latin_name = some(52, 70)?;
            }
        }
        card.birth = date(&card.birth_text);
        card.check_plain()?;
        Ok(card)
    }

    /// Numbers and codes consist of printable ASCII, names of anything but control characters.
    fn check_plain(&self) -> Result<(), RejectReason> {
        let ascii = [&self.sex_code, &self.birth_text, &self.number];
        if ascii
            .iter()
            .any(|text| !text.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(RejectReason::Encoding);
        }
        let free = [
            Some(&self.name),
            self.latin_name.as_ref(),
            self.address.as_ref(),
            self.authority.as_ref(),
        ];
        if free
            .into_iter()
            .flatten()
            .any(|text| text.chars().any(char::is_control))
        {
            return Err(RejectReason::Encoding);
        }
        Ok(())
    }
}

/// A field of UTF-16LE text without its padding of blanks (some readers pad with NUL).
pub(super) fn text(bytes: &[u8]) -> Result<String, RejectReason> {
    let units = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let text: String = char::decode_utf16(units)
        .collect::<Result<_, _>>()
        .map_err(|_| RejectReason::Encoding)?;
    Ok(text.trim_matches([' ', '\0', '\u{3000}']).to_owned())
}

fn date(text: &str) -> Option<Date> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i16>().ok();
    if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (month, day) = (
        i8::try_from(number(4..6)?).ok()?,
        i8::try_from(number(6..8)?).ok()?,
    );
    Date::new(number(0..4)?, month, day).ok()
}
