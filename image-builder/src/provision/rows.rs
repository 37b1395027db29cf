//! The table of clinics for which cards are made, as a spreadsheet writes it: UTF-8 with or without a byte order mark,
//! UTF-16 with one, or GBK. Every fault is named by its line, and a table with a fault is not begun.

use std::collections::BTreeMap;

use card::identity::{IdentityFault, Row};
use card::protection::Protection;

/// Largest table in bytes.
pub const TABLE_MAX: usize = 4 << 20;
/// Most clinics of one table: more than any county has.
pub const ROWS_MAX: usize = 10_000;

/// What a table's columns leave open.
#[derive(Debug, Clone)]
pub struct Common {
    /// Code of the county.
    pub county: String,
    /// Address of the hub, where the table has no such column.
    pub hub: Option<String>,
    /// Certificate of the hub's CA (PEM).
    pub hub_ca: String,
    /// The technician's SSH key.
    pub admin_key: Option<String>,
    /// How the data are protected, where the table has no such column or leaves it empty.
    pub data: Protection,
}

/// A clinic of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Line of the file, the first one is 1.
    pub number: u64,
    /// What it says.
    pub row: Row,
}

/// What is wrong in a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableFault {
    /// Too large.
    #[error("the table is larger than 4 MB or has more than 10000 lines")]
    TooLarge,
    /// No text.
    #[error("the table is no text in UTF-8 or GBK")]
    NotText,
    /// A column that is not known, or one twice. Its text is not repeated: in a table without headings it may be a
    /// token.
    #[error("line 1: the heading of column {0} is not known, or stands there twice")]
    Column(usize),
    /// A column that must be there.
    #[error("line 1: there is no column {0}")]
    NoColumn(&'static str),
    /// A line whose columns are not those of the first line.
    #[error("line {0}: it has not as many columns as the first line")]
    Columns(u64),
    /// A field.
    #[error("line {line}: {fault}")]
    Field {
        /// Line of the file.
        line: u64,
        /// What is wrong.
        fault: IdentityFault,
    },
    /// A word in the column of the data's encryption that is none of those.
    #[error("line {0}: the column 数据加密 (encryption) has 是 (yes), 否 (no), 口令 (pin) or 县中心 (hub)")]
    Protection(u64),
    /// Something that only one clinic may have.
    #[error("line {line}: the {what} is that of line {first} too")]
    Twice {
        /// The later line.
        line: u64,
        /// The earlier one.
        first: u64,
        /// What.
        what: &'static str,
    },
    /// No line at all.
    #[error("the table has no clinics")]
    Empty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Clinic,
    Name,
    Hub,
    Token,
    Wifi,
    Locale,
    TimeZone,
    Encryption,
}

impl Column {
    /// Columns with the words that they go by; the first two are written in the documents.
    const ALL: [(Self, &'static [&'static str]); 8] = [
        (Self::Clinic, &["机构代码", "clinic", "代码", "code"]),
        (Self::Name, &["名称", "name", "卫生室"]),
        (Self::Hub, &["县级中心", "hub"]),
        (Self::Token, &["入网码", "token"]),
        (Self::Wifi, &["无线名称", "wifi"]),
        (Self::Locale, &["语言", "locale"]),
        (Self::TimeZone, &["时区", "time_zone"]),
        (Self::Encryption, &["数据加密", "encryption"]),
    ];

    fn of(heading: &str) -> Option<Self> {
        let heading = heading.trim().to_lowercase();
        let known = |(_, words): &&(Self, &[&str])| words.contains(&heading.as_str());
        Self::ALL.iter().find(known).map(|(column, _)| *column)
    }
}

/// Reads a table.
///
/// # Errors
/// Everything that is wrong in it.
pub fn read(bytes: &[u8], common: &Common) -> Result<Vec<Line>, Vec<TableFault>> {
    let one = |fault| vec![fault];
    if bytes.len() > TABLE_MAX {
        return Err(one(TableFault::TooLarge));
    }
    let text = decode(bytes).ok_or_else(|| one(TableFault::NotText))?;
    let delimiter = if text.lines().next().is_some_and(|line| line.contains('\t')) {
        b'\t'
    } else {
        b','
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let mut records = reader.records();
    let heading = match records.next() {
        Some(Ok(heading)) => heading,
        Some(Err(_)) => return Err(one(TableFault::NotText)),
        None => return Err(one(TableFault::Empty)),
    };
    let columns = columns(&heading, common)?;
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    let mut counter = Counter {
        text: text.as_bytes(),
        at: 0,
        line: 1,
    };
    for record in records {
        let Ok(record) = record else {
            return Err(one(TableFault::NotText));
        };
        let number = counter.line_at(record.position().map_or(0, csv::Position::byte));
        if record.iter().all(str::is_empty) {
            continue;
        }
        if lines.len() == ROWS_MAX {
            return Err(one(TableFault::TooLarge));
        }
        if record.len() != heading.len() {
            faults.push(TableFault::Columns(number));
            continue;
        }
        let Some(row) = row(&record, &columns, common) else {
            faults.push(TableFault::Protection(number));
            continue;
        };
        match row.check() {
            Ok(()) => lines.push(Line { number, row }),
            Err(fault) => faults.push(TableFault::Field { line: number, fault }),
        }
    }
    faults.extend(twice(&lines));
    if lines.is_empty() && faults.is_empty() {
        faults.push(TableFault::Empty);
    }
    if faults.is_empty() { Ok(lines) } else { Err(faults) }
}

/// Counts lines as a person sees them: the reader's own count leaves out the empty ones before a record.
struct Counter<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl Counter<'_> {
    /// The line of the first character at or after this byte; bytes only grow.
    fn line_at(&mut self, byte: u64) -> u64 {
        while let Some(letter) = self.text.get(self.at) {
            if self.at as u64 >= byte && !matches!(letter, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(*letter == b'\n');
            self.at += 1;
        }
        self.line
    }
}

fn columns(heading: &csv::StringRecord, common: &Common) -> Result<BTreeMap<Column, usize>, Vec<TableFault>> {
    let mut columns = BTreeMap::new();
    let mut faults = Vec::new();
    for (place, word) in heading.iter().enumerate() {
        let known = Column::of(word).filter(|column| columns.insert(*column, place).is_none());
        if known.is_none() {
            faults.push(TableFault::Column(place + 1));
        }
    }
    let needed = [
        (Column::Clinic, "机构代码 (clinic)"),
        (Column::Name, "名称 (name)"),
        (Column::Token, "入网码 (token)"),
        (Column::Hub, "县级中心 (hub), and no --hub either"),
    ];
    for (column, name) in needed {
        let stands_in = column == Column::Hub && common.hub.is_some();
        if !columns.contains_key(&column) && !stands_in {
            faults.push(TableFault::NoColumn(name));
        }
    }
    if faults.is_empty() {
        Ok(columns)
    } else {
        Err(faults)
    }
}

/// The row of a line; `None` where it does not say whether its data are encrypted.
fn row(record: &csv::StringRecord, columns: &BTreeMap<Column, usize>, common: &Common) -> Option<Row> {
    let field = |column| {
        let place = columns.get(&column)?;
        record
            .get(*place)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let clinic = field(Column::Clinic).unwrap_or_default();
    let data = match field(Column::Encryption).as_deref() {
        None => common.data,
        Some("是" | "yes") => Protection::Device,
        Some("口令" | "pin") => Protection::Pin,
        Some("县中心" | "hub") => Protection::Hub,
        Some("否" | "no") => Protection::Plain,
        Some(_) => return None,
    };
    Some(Row {
        // A name in Chinese comes out differently on some telephones: the network's is plain.
        wifi_name: field(Column::Wifi).unwrap_or_else(|| format!("clinic-{clinic}")),
        county: common.county.clone(),
        clinic,
        clinic_name: field(Column::Name).unwrap_or_default(),
        hub: field(Column::Hub)
            .or_else(|| common.hub.clone())
            .unwrap_or_default(),
        hub_ca: common.hub_ca.clone(),
        country: "CN".to_owned(),
        locale: field(Column::Locale).unwrap_or_else(|| "zh-CN".to_owned()),
        time_zone: field(Column::TimeZone).unwrap_or_else(|| "Asia/Shanghai".to_owned()),
        admin_key: common.admin_key.clone(),
        data,
        token: field(Column::Token).unwrap_or_default(),
    })
}

fn twice(lines: &[Line]) -> Vec<TableFault> {
    let mut faults = Vec::new();
    type Key = fn(&Row) -> String;
    let keys: [(&'static str, Key); 3] = [
        ("clinic code", |row| row.clinic.clone()),
        ("token", Row::number),
        ("radio network's name", |row| row.wifi_name.clone()),
    ];
    for (what, key) in keys {
        let mut seen = BTreeMap::new();
        for line in lines {
            match seen.entry(key(&line.row)) {
                std::collections::btree_map::Entry::Occupied(first) => faults.push(TableFault::Twice {
                    line: line.number,
                    first: *first.get(),
                    what,
                }),
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(line.number);
                }
            }
        }
    }
    faults
}

/// The text in whichever encoding a spreadsheet writes.
fn decode(bytes: &[u8]) -> Option<String> {
    let (encoding, skip) = encoding_rs::Encoding::for_bom(bytes).unwrap_or_else(|| {
        let is_utf8 = std::str::from_utf8(bytes).is_ok();
        (
            if is_utf8 {
                encoding_rs::UTF_8
            } else {
                encoding_rs::GB18030
            },
            0,
        )
    });
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes.get(skip..)?)?;
    (!text.contains('\0')).then(|| text.into_owned())
}

/// What a fuzzer calls: what is read has checked rows, each once.
pub fn fuzz_one(bytes: &[u8]) {
    let common = Common {
        county: "441802".to_owned(),
        hub: Some("https://hub".to_owned()),
        hub_ca: "-----BEGIN CERTIFICATE-----".to_owned(),
        admin_key: None,
        data: Protection::Device,
    };
    if let Ok(lines) = read(bytes, &common) {
        assert!(!lines.is_empty() && lines.iter().all(|line| line.row.check().is_ok()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: &str = "机构代码,名称,入网码\r\n0017,石门村卫生室,AAAAAAAA-AAAAAAAA-0001\r\n\r\n0018,\"龙潭, 卫生室\",AAAAAAAA-AAAAAAAA-0002\r\n";

    fn common() -> Common {
        Common {
            county: "441802".to_owned(),
            hub: Some("https://hub.example:8444".to_owned()),
            hub_ca: "-----BEGIN CERTIFICATE-----\n".to_owned(),
            admin_key: None,
            data: Protection::Device,
        }
    }

    fn faults(text: &str) -> Vec<String> {
        let faults = read(text.as_bytes(), &common()).unwrap_err();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_table_is_read_in_every_encoding_that_a_spreadsheet_writes() {
        let meant = read(TABLE.as_bytes(), &common()).unwrap();
        assert_eq!(meant.len(), 2);
        assert_eq!(meant[1].number, 4);
        assert_eq!(meant[1].row.clinic_name, "龙潭, 卫生室");
        assert_eq!(
            (meant[0].row.clinic.as_str(), meant[0].row.wifi_name.as_str()),
            ("0017", "clinic-0017")
        );
        let gbk = encoding_rs::GBK.encode(TABLE).0.into_owned();
        let marked = ["\u{feff}".as_bytes(), TABLE.as_bytes()].concat();
        let mut wide = vec![0xff, 0xfe];
        wide.extend(TABLE.encode_utf16().flat_map(u16::to_le_bytes));
        let tabs = TABLE
            .replace("\"龙潭, 卫生室\"", "龙潭、 卫生室")
            .replace(',', "\t");
        for bytes in [gbk, marked, wide] {
            assert_eq!(read(&bytes, &common()).unwrap(), meant);
        }
        assert_eq!(read(tabs.as_bytes(), &common()).unwrap().len(), 2);
    }

    #[test]
    fn a_site_is_encrypted_unless_its_county_or_its_line_says_otherwise() {
        let table = "clinic,name,token,encryption\n1,甲,AAAAAAAAAAAAAAAA1,\n2,乙,AAAAAAAAAAAAAAAA2,否\n3,丙,AAAAAAAAAAAAAAAA3,yes\n4,丁,AAAAAAAAAAAAAAAA4,口令\n5,戊,AAAAAAAAAAAAAAAA5,pin\n6,己,AAAAAAAAAAAAAAAA6,县中心\n7,庚,AAAAAAAAAAAAAAAA7,hub\n";
        let of = |data| {
            let lines = read(table.as_bytes(), &Common { data, ..common() }).unwrap();
            lines.iter().map(|line| line.row.data).collect::<Vec<_>>()
        };
        use Protection::{Device, Hub, Pin, Plain};
        assert_eq!(of(Device), [Device, Plain, Device, Pin, Pin, Hub, Hub]);
        assert_eq!(of(Plain), [Plain, Plain, Device, Pin, Pin, Hub, Hub]);
        let said = faults(&table.replace("yes", "vielleicht"));
        assert!(said.len() == 1 && said[0].starts_with("line 4: "), "{said:?}");
    }

    #[test]
    fn every_fault_of_a_table_is_named_by_its_line() {
        let said = faults(
            "clinic,name,token,hub\n0017,甲,AAAAAAAAAAAAAAAA1,\nbad/code,乙,AAAAAAAAAAAAAAAA2,\n0018,丙\n0017,丁,aaaaaaaa-aaaaaaaa-1,http://plain\n0017,戊,AAAAAAAA AAAAAAAA 1,\n",
        );
        assert_eq!(said.len(), 6, "{said:#?}");
        assert!(
            said[0].starts_with("line 3: ") && said[0].contains("clinic code"),
            "{said:#?}"
        );
        assert!(
            said[1].starts_with("line 4: ") && said[1].contains("columns"),
            "{said:#?}"
        );
        assert!(
            said[2].starts_with("line 5: ") && said[2].contains("hub address"),
            "{said:#?}"
        );
        assert!(
            said[3..]
                .iter()
                .all(|text| text.starts_with("line 6: ") && text.contains("line 2")),
            "{said:#?}"
        );
    }

    #[test]
    fn a_table_of_other_columns_or_without_clinics_is_refused() {
        assert_eq!(faults("clinic,name,token,colour\n").len(), 1);
        assert!(faults("clinic,name,token,clinic\n")[0].contains("twice"));
        assert!(faults("clinic,name\n")[0].contains("入网码"));
        assert!(faults("clinic,name,token\n")[0].contains("no clinics"));
        assert!(faults("")[0].contains("no clinics"));
        let no_hub = Common {
            hub: None,
            ..common()
        };
        let said = read(TABLE.as_bytes(), &no_hub).unwrap_err();
        assert!(said[0].to_string().contains("--hub"), "{said:?}");
        assert_eq!(
            read(&[0x81, 0xff, 0xff], &common()),
            Err(vec![TableFault::NotText])
        );
        let long = vec![b'x'; TABLE_MAX + 1];
        assert_eq!(read(&long, &common()), Err(vec![TableFault::TooLarge]));
    }

    proptest! {
        #[test]
        fn no_table_breaks_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "[a-z0-9,\"\n入网码名称]{0,200}") {
            fuzz_one(&bytes);
            fuzz_one(text.as_bytes());
            fuzz_one(format!("clinic,name,token\n{text}").as_bytes());
        }
    }
}
