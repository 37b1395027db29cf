//! Tests of resident lists as spreadsheets leave them.

use super::*;

/// A checked number of the standard's example form.
const ID: &str = "11010519491231002X";

fn encodings(text: &str) -> [Vec<u8>; 4] {
    let utf16: Vec<u8> = "\u{feff}"
        .encode_utf16()
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    [
        text.as_bytes().to_vec(),
        format!("\u{feff}{text}").into_bytes(),
        encoding_rs::GBK.encode(text).0.into_owned(),
        utf16,
    ]
}

#[test]
fn names_are_right_in_every_encoding() {
    let text =
        format!("姓名,性别,出生日期,身份证号,电话,村\r\n张示例,女,1949-12-31,{ID},13800000000,上湾村\r\n");
    for bytes in encodings(&text) {
        let list = read(&bytes).unwrap();
        assert_eq!(list.faults, []);
        let [resident] = list.residents.as_slice() else {
            panic!("one resident")
        };
        assert_eq!(
            (resident.name.as_str(), resident.village.as_str(), resident.line),
            ("张示例", "上湾村", 2)
        );
        assert_eq!(resident.sex, Sex::Female);
        assert!(matches!(&resident.id_number, Some(IdNumber::Checked(number)) if number.as_str() == ID));
    }
}

#[test]
fn spoilt_numbers_are_named_by_line_and_not_taken() {
    let text = format!(
        "姓名,身份证号\n甲,4.40981E+17\n乙,{ID}\n丙,440981199001011000\n丁,4.4E17\n戊,440981199001011000.0\n"
    );
    let list = read(text.as_bytes()).unwrap();
    let spoilt: Vec<u64> = list.faults.iter().map(|(line, _)| *line).collect();
    assert_eq!(spoilt, [2, 4, 5, 6]);
    assert!(
        list.faults
            .iter()
            .all(|(_, fault)| *fault == LineFault::SpoiltIdNumber)
    );
    assert_eq!(list.residents.len(), 5);
    let with_number: Vec<&str> = list
        .residents
        .iter()
        .filter(|row| row.id_number.is_some())
        .map(|row| row.name.as_str())
        .collect();
    assert_eq!(with_number, ["乙"]);
}

#[test]
fn a_number_that_really_ends_in_zeros_is_taken() {
    let number = (0..1000)
        .map(|n| format!("44098119900101{n:03}0"))
        .find(|number| number.ends_with("000") && ResidentIdNumber::parse(number).is_ok());
    let Some(number) = number else {
        panic!("one in eleven ends so")
    };
    let list = read(format!("姓名,身份证号\n甲,{number}\n").as_bytes()).unwrap();
    assert!(matches!(list.residents[0].id_number, Some(IdNumber::Checked(_))));
}

#[test]
fn a_failing_number_is_kept_as_unverified() {
    let list = read("姓名,身份证号\n甲,110105194912310021\n".as_bytes()).unwrap();
    assert_eq!(list.faults, [(2, LineFault::UnverifiedIdNumber)]);
    assert!(
        matches!(&list.residents[0].id_number, Some(IdNumber::Unverified(text)) if text == "110105194912310021")
    );
}

#[test]
fn the_id_number_decides_over_the_other_columns() {
    let list = read(format!("姓名,性别,出生日期,身份证号\n甲,男,1950-01-01,{ID}\n").as_bytes()).unwrap();
    assert_eq!(list.faults, [(2, LineFault::ContradictsIdNumber)]);
    assert_eq!(list.residents[0].birth.unwrap().to_string(), "1949-12-31");
}

#[test]
fn dates_are_taken_as_spreadsheets_write_them() {
    for text in [
        "1986-05-04",
        "1986/5/4",
        "1986.5.4",
        "1986年5月4日",
        "19860504",
        "1986/5/4 0:00",
    ] {
        assert_eq!(read_date(text).unwrap().to_string(), "1986-05-04", "{text}");
    }
    for text in ["5/4/86", "1986-13-01", "1986", "x"] {
        assert_eq!(read_date(text), None, "{text}");
    }
}

#[test]
fn other_headings_delimiters_and_empty_lines() {
    let text = "\r\n名字\t手机号码\t备注\r\n甲\t１３８００００００００\tx\r\n\r\n乙\t\t\r\n";
    let list = read(text.as_bytes()).unwrap();
    assert_eq!(list.residents.len(), 2);
    assert_eq!(list.residents[0].phone, "13800000000");
    assert_eq!(read(b"a,b\n1,2\n"), Err(ListFault::NoNameColumn));
    assert_eq!(read(b""), Err(ListFault::NoNameColumn));
    assert_eq!(read(&[0xff, 0xff, 0, 1, 0x80]), Err(ListFault::NotText));
}

#[test]
fn a_line_without_a_name_or_with_a_hostile_field_is_not_taken() {
    let long = "字".repeat(FIELD_CHARS_MAX + 1);
    let list = read(format!("姓名,电话\n,138\n{long},1\n甲,1\n").as_bytes()).unwrap();
    assert_eq!(list.faults, [(2, LineFault::NoName), (3, LineFault::BadField)]);
    assert_eq!(list.residents.len(), 1);
    let too_large = vec![b'a'; LIST_BYTES_MAX + 1];
    assert_eq!(read(&too_large), Err(ListFault::TooLarge));
}

#[test]
fn what_we_write_is_read_back_and_safe_in_a_spreadsheet() {
    let resident = Resident {
        line: 2,
        name: "=cmd|'x'!A1".to_owned(),
        sex: Sex::Female,
        birth: Some("1949-12-31".parse().unwrap()),
        id_number: Some(IdNumber::Checked(ResidentIdNumber::parse(ID).unwrap())),
        phone: "013800000000".to_owned(),
        town: "青石镇".to_owned(),
        village: "上湾,村".to_owned(),
        group: "3组".to_owned(),
        house: "12号".to_owned(),
        archive_no: "41000000000000017".to_owned(),
    };
    let bytes = write(std::slice::from_ref(&resident));
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.starts_with("\u{feff}姓名,"));
    for kept in [
        format!("\t{ID}"),
        "\t013800000000".to_owned(),
        "\t41000000000000017".to_owned(),
    ] {
        assert!(text.contains(&kept), "{kept:?}");
    }
    assert!(!text.contains(",=cmd") && !text.contains("\n=cmd"));
    assert_eq!(
        read(&bytes).unwrap(),
        ResidentList {
            residents: vec![resident],
            faults: Vec::new()
        }
    );
}
