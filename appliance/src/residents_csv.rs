//! Resident lists as spreadsheets write and read them: CSV in GBK or UTF-8, with or without a byte order mark.
//!
//! A spreadsheet that took ID numbers for numbers has spoilt them: `4.40981E+17`, or eighteen digits whose last
//! three became 000. Such a number is named by its line and never taken as an ID; the rest of the line is kept.

use records::identity::{IdNumber, ResidentIdNumber};
use records::patients::Sex;
use records::text::fold;
use records::time::BirthDate;

/// Largest list that is read.
pub const LIST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most residents that one list may hold.
pub const LIST_ROWS_MAX: usize = 100_000;
/// Most characters of one field.
pub const FIELD_CHARS_MAX: usize = 200;

/// Why a file is no resident list at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListFault {
    /// Larger than [`LIST_BYTES_MAX`].
    #[error("the list is larger than 16 MB")]
    TooLarge,
    /// More lines than [`LIST_ROWS_MAX`].
    #[error("the list has more than 100000 lines")]
    TooManyRows,
    /// Neither UTF-8 nor GBK nor marked UTF-16.
    #[error("the file is no text in GBK or UTF-8")]
    NotText,
    /// No column is called 姓名 or name.
    #[error("no column is called 姓名 or name")]
    NoNameColumn,
}

/// What is wrong with one line; the rest of the line is kept unless it has no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LineFault {
    /// The line has no name: nothing of it can be taken.
    NoName,
    /// A spreadsheet turned the ID number into a rounded number.
    SpoiltIdNumber,
    /// The ID number fails its check: it is kept as unverified.
    UnverifiedIdNumber,
    /// The birth date is no date.
    BadBirthDate,
    /// The birth date or the sex is not the one of the ID number, which is taken.
    ContradictsIdNumber,
    /// The sex is neither 男 nor 女.
    UnknownSex,
    /// A spreadsheet turned the telephone number into a rounded number.
    SpoiltPhone,
    /// A field is longer than [`FIELD_CHARS_MAX`] or has control characters: the line is not taken.
    BadField,
}

impl LineFault {
    /// Whether nothing of the line can be taken.
    pub fn loses_the_line(self) -> bool {
        match self {
            Self::NoName | Self::BadField => true,
            Self::SpoiltIdNumber
            | Self::UnverifiedIdNumber
            | Self::BadBirthDate
            | Self::ContradictsIdNumber
            | Self::UnknownSex
            | Self::SpoiltPhone => false,
        }
    }
}

/// A resident as a list has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resident {
    /// Line of the file, the first one is 1.
    pub line: u64,
    /// Name as written.
    pub name: String,
    /// Sex, of the ID number where there is one.
    pub sex: Sex,
    /// Birth date, of the ID number where there is one.
    pub birth: Option<BirthDate>,
    /// ID number, checked or kept as unverified.
    pub id_number: Option<IdNumber>,
    /// Telephone number.
    pub phone: String,
    /// Town or township.
    pub town: String,
    /// Village.
    pub village: String,
    /// Group of the village.
    pub group: String,
    /// House.
    pub house: String,
    /// Archive number.
    pub archive_no: String,
}

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResidentList {
    /// Lines that can be taken.
    pub residents: Vec<Resident>,
    /// What is wrong, by line.
    pub faults: Vec<(u64, LineFault)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
    Sex,
    Birth,
    IdNumber,
    Phone,
    Town,
    Village,
    Group,
    House,
    ArchiveNo,
}

impl Column {
    /// Columns in the order in which they are written, with the words they go by; the first one is written.
    const ALL: [(Self, &'static [&'static str]); 10] = [
        (Self::Name, &["姓名", "名字", "居民姓名", "name"]),
        (Self::Sex, &["性别", "sex", "gender"]),
        (
            Self::Birth,
            &[
                "出生日期",
                "生日",
                "出生年月日",
                "birth_date",
                "birth date",
                "birth",
            ],
        ),
        (
            Self::IdNumber,
            &[
                "身份证号",
                "身份证号码",
                "身份证",
                "证件号码",
                "公民身份号码",
                "id_no",
                "id number",
            ],
        ),
        (
            Self::Phone,
            &["电话", "联系电话", "手机", "手机号", "手机号码", "phone"],
        ),
        (Self::Town, &["乡镇", "镇", "街道", "town"]),
        (Self::Village, &["村", "村居", "行政村", "居委会", "village"]),
        (Self::Group, &["组", "村民小组", "group"]),
        (
            Self::House,
            &["门牌", "门牌号", "住址", "地址", "house", "address"],
        ),
        (
            Self::ArchiveNo,
            &[
                "健康档案号",
                "档案号",
                "居民健康档案号",
                "archive_no",
                "archive number",
            ],
        ),
    ];

    fn of_heading(heading: &str) -> Option<Self> {
        let heading = fold(heading).to_lowercase();
        let heading = heading.trim_end_matches(['*', ':']).trim();
        Self::ALL
            .into_iter()
            .find(|(_, words)| words.contains(&heading))
            .map(|(column, _)| column)
    }
}

/// Reads a list.
pub fn read(bytes: &[u8]) -> Result<ResidentList, ListFault> {
    if bytes.len() > LIST_BYTES_MAX {
        return Err(ListFault::TooLarge);
    }
    let text = decode(bytes)?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(&text))
        .from_reader(text.as_bytes());
    let mut columns: Option<Vec<Option<Column>>> = None;
    let mut list = ResidentList::default();
    let mut lines = Lines {
        text: text.as_bytes(),
        at: 0,
        line: 1,
    };
    for record in reader.records() {
        let Ok(record) = record else {
            return Err(ListFault::NotText);
        };
        if record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        let Some(columns) = &columns else {
            let headings: Vec<_> = record.iter().map(Column::of_heading).collect();
            if !headings.contains(&Some(Column::Name)) {
                return Err(ListFault::NoNameColumn);
            }
            columns = Some(headings);
            continue;
        };
        if list.residents.len() >= LIST_ROWS_MAX || list.faults.len() >= 2 * LIST_ROWS_MAX {
            return Err(ListFault::TooManyRows);
        }
        let line = lines.of(record.position().map_or(0, csv::Position::byte));
        take_line(line, &record, columns, &mut list);
    }
    if columns.is_none() {
        Err(ListFault::NoNameColumn)
    } else {
        Ok(list)
    }
}

/// Counts lines: the reader's own count is one short where lines end in CR LF.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// Number of the line on which a record stands that begins at this byte or after the line ends there.
    fn of(&mut self, byte: u64) -> u64 {
        let begin = usize::try_from(byte)
            .unwrap_or(usize::MAX)
            .clamp(self.at, self.text.len());
        let ends = self
            .text
            .iter()
            .skip(begin)
            .take_while(|byte| matches!(**byte, b'\r' | b'\n'))
            .count();
        let passed = self.text.get(self.at..begin + ends).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.at = begin + ends;
        self.line
    }
}

fn take_line(line: u64, record: &csv::StringRecord, columns: &[Option<Column>], list: &mut ResidentList) {
    let field = |wanted: Column| -> String {
        let fields = columns.iter().zip(record.iter());
        let mut named = fields
            .filter(|(column, _)| **column == Some(wanted))
            .map(|(_, field)| unquoted(field));
        named.find(|field| !field.is_empty()).unwrap_or_default()
    };
    let mut faults = Vec::new();
    let name = field(Column::Name);
    if name.is_empty() {
        faults.push(LineFault::NoName);
    }
    let too_long = |field: &str| field.chars().count() > FIELD_CHARS_MAX;
    if record
        .iter()
        .any(|field| too_long(field) || unquoted(field).chars().any(char::is_control))
    {
        faults.push(LineFault::BadField);
    }
    let id_number = read_id_number(&field(Column::IdNumber), &mut faults);
    let (sex, birth) = read_person(
        &field(Column::Sex),
        &field(Column::Birth),
        id_number.as_ref(),
        &mut faults,
    );
    let lost = faults.iter().any(|fault| fault.loses_the_line());
    let phone = read_phone(&field(Column::Phone), &mut faults);
    list.faults.extend(faults.into_iter().map(|fault| (line, fault)));
    if lost {
        return;
    }
    list.residents.push(Resident {
        line,
        name,
        sex,
        birth,
        id_number,
        phone,
        town: field(Column::Town),
        village: field(Column::Village),
        group: field(Column::Group),
        house: field(Column::House),
        archive_no: field(Column::ArchiveNo),
    });
}

/// A field without what keeps a spreadsheet from spoiling it: spaces, tabs, an apostrophe, or `="…"`.
fn unquoted(field: &str) -> String {
    let field = field.trim();
    let inner = field
        .strip_prefix("=\"")
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(field);
    inner.strip_prefix('\'').unwrap_or(inner).trim().to_owned()
}

fn read_id_number(field: &str, faults: &mut Vec<LineFault>) -> Option<IdNumber> {
    if field.is_empty() {
        return None;
    }
    let folded = fold(field);
    if is_spoilt(&folded) {
        faults.push(LineFault::SpoiltIdNumber);
        return None;
    }
    if let Ok(checked) = ResidentIdNumber::parse(&folded) {
        return Some(IdNumber::Checked(checked));
    }
    faults.push(LineFault::UnverifiedIdNumber);
    Some(IdNumber::Unverified(field.to_owned()))
}

/// Whether a spreadsheet has rounded this number: it keeps fifteen digits.
fn is_spoilt(folded: &str) -> bool {
    let lower = folded.to_lowercase();
    let scientific = lower.split_once('e').is_some_and(|(digits, exponent)| {
        let number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        number(digits) && number(exponent.trim_start_matches('+'))
    });
    let whole = lower
        .strip_suffix(".0")
        .or_else(|| lower.strip_suffix(".00"))
        .unwrap_or(&lower);
    let digits = whole.bytes().all(|byte| byte.is_ascii_digit());
    let rounded =
        digits && whole.len() == 18 && whole.ends_with("000") && ResidentIdNumber::parse(whole).is_err();
    scientific || rounded
}

fn read_person(
    sex: &str,
    birth: &str,
    id_number: Option<&IdNumber>,
    faults: &mut Vec<LineFault>,
) -> (Sex, Option<BirthDate>) {
    let said_sex = match fold(sex).to_lowercase().as_str() {
        "男" | "男性" | "m" | "male" | "1" => Sex::Male,
        "女" | "女性" | "f" | "female" | "2" => Sex::Female,
        "" => Sex::Unknown,
        _ => {
            faults.push(LineFault::UnknownSex);
            Sex::Unknown
        }
    };
    let said_birth = read_date(&fold(birth));
    if said_birth.is_none() && !birth.is_empty() {
        faults.push(LineFault::BadBirthDate);
    }
    let Some(IdNumber::Checked(number)) = id_number else {
        return (said_sex, said_birth);
    };
    let other_sex = said_sex != Sex::Unknown && said_sex != number.sex();
    let other_birth = said_birth.is_some_and(|said| said != number.birth_date());
    if other_sex || other_birth {
        faults.push(LineFault::ContradictsIdNumber);
    }
    (number.sex(), Some(number.birth_date()))
}

/// A date as people and spreadsheets write it: 1986-05-04, 1986/5/4, 1986.5.4, 1986年5月4日, 19860504.
fn read_date(text: &str) -> Option<BirthDate> {
    let day_part = text.split([' ', 'T']).next().unwrap_or_default();
    let parts: Vec<&str> = day_part
        .split(['-', '/', '.', '年', '月', '日'])
        .filter(|part| !part.is_empty())
        .collect();
    match parts.as_slice() {
        [whole] => whole.parse().ok(),
        [year, month, day] if year.len() == 4 => format!("{year}-{month:0>2}-{day:0>2}").parse().ok(),
        _ => None,
    }
}

fn read_phone(field: &str, faults: &mut Vec<LineFault>) -> String {
    let folded = fold(field);
    if is_spoilt(&folded) {
        faults.push(LineFault::SpoiltPhone);
        return String::new();
    }
    folded
}

/// The text of a file in whichever encoding spreadsheets write.
fn decode(bytes: &[u8]) -> Result<String, ListFault> {
    if let Some((encoding, mark_length)) = encoding_rs::Encoding::for_bom(bytes) {
        let body = bytes.get(mark_length..).unwrap_or_default();
        let text = encoding.decode_without_bom_handling_and_without_replacement(body);
        return text.map(std::borrow::Cow::into_owned).ok_or(ListFault::NotText);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return if text.contains('\0') {
            Err(ListFault::NotText)
        } else {
            Ok(text.to_owned())
        };
    }
    let text = encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(bytes);
    text.filter(|text| !text.contains('\0'))
        .map(std::borrow::Cow::into_owned)
        .ok_or(ListFault::NotText)
}

fn delimiter(text: &str) -> u8 {
    let heading = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    let count = |mark: u8| heading.bytes().filter(|byte| *byte == mark).count();
    [b',', b'\t', b';']
        .into_iter()
        .max_by_key(|mark| (count(*mark), *mark == b','))
        .unwrap_or(b',')
}

/// Writes a list that a spreadsheet opens unspoilt: UTF-8 with a byte order mark, long numbers and anything that
/// it would take for a formula behind a tab, which makes them text there and which [`read`] takes off again.
pub fn write(residents: &[Resident]) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .quote_style(csv::QuoteStyle::Necessary)
        .terminator(csv::Terminator::CRLF)
        .from_writer("\u{feff}".as_bytes().to_vec());
    let headings = Column::ALL.map(|(_, words)| words.first().copied().unwrap_or_default());
    let written = std::iter::once(headings.map(str::to_owned)).chain(residents.iter().map(fields));
    for line in written {
        // A vector takes every byte.
        let _never_fails = writer.write_record(&line);
    }
    writer.into_inner().unwrap_or_default()
}

fn fields(resident: &Resident) -> [String; 10] {
    let id_number = match &resident.id_number {
        Some(IdNumber::Checked(number)) => number.as_str(),
        Some(IdNumber::Unverified(text)) => text,
        None => "",
    };
    let sex = match resident.sex {
        Sex::Male => "男",
        Sex::Female => "女",
        Sex::Unknown => "",
    };
    let birth = resident.birth.map(|birth| birth.to_string()).unwrap_or_default();
    Column::ALL.map(|(column, _)| {
        kept_as_text(match column {
            Column::Name => &resident.name,
            Column::Sex => sex,
            Column::Birth => &birth,
            Column::IdNumber => id_number,
            Column::Phone => &resident.phone,
            Column::Town => &resident.town,
            Column::Village => &resident.village,
            Column::Group => &resident.group,
            Column::House => &resident.house,
            Column::ArchiveNo => &resident.archive_no,
        })
    })
}

/// Digits from which on a spreadsheet shows or keeps a number otherwise than written.
const LONG_NUMBER_DIGITS: usize = 11;

fn kept_as_text(field: &str) -> String {
    let digits = field.bytes().filter(u8::is_ascii_digit).count();
    let number = digits + 1 >= field.len() && digits >= LONG_NUMBER_DIGITS;
    let leading_zero = field.len() > 1 && field.starts_with('0') && digits == field.len();
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if number || leading_zero || formula {
        format!("\t{field}")
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
#[path = "residents_csv_tests.rs"]
mod tests;
