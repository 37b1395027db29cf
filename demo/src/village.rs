//! The seeded village of the demo: residents, households and visits as lines that `import` takes.
//!
//! Everybody in it is invented. One seed and one day give the same village. The notes are composed from
//! the templates of [`crate::notes`], so that they read like a village doctor's.

use jiff::civil::Date;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::notes::{self, SCENARIOS, Scenario};

/// Residents of the village.
pub const RESIDENTS: usize = 300;
/// Visits in the village's history.
pub const VISITS: usize = 1500;
/// The code of the village's clinic.
pub const CLINIC_CODE: &str = "LS01";
/// The name of the village's clinic.
pub const CLINIC_NAME: &str = "柳树湾村卫生室";
/// Years back to the first visit.
const HISTORY_DAYS: u32 = 900;
/// A region code that no county has, so that no number here can be a real person's.
const REGION: &str = "419999";

const SURNAMES: [&str; 16] = [
    "王", "李", "张", "刘", "陈", "杨", "赵", "周", "吴", "徐", "孙", "马", "吕", "覃", "单", "欧阳",
];
const MALE: &str = "建国志强永福德胜明亮海涛春生大勇文斌长河金山小军立新守义";
const FEMALE: &str = "秀英桂兰玉梅淑芬春花巧云凤霞丽娟素珍小燕晓红爱莲翠平雪琴";
const GROUPS: [&str; 6] = ["一组", "二组", "三组", "四组", "五组", "六组"];
const ALLERGENS: [&str; 5] = ["青霉素", "磺胺类", "头孢类", "海鲜", "花粉"];

/// A resident as the generator knows one.
struct Resident {
    id: String,
    name: String,
    male: bool,
    birth: Date,
    /// Age in days.
    days: u32,
    house: usize,
    householder: String,
    hypertension: bool,
    diabetes: bool,
    allergy: Option<&'static str>,
}

/// The lines of the village: a clinic, then each resident followed by the resident's visits in time order.
pub fn lines(seed: u64, today: Date) -> Vec<Value> {
    let mut dice = Dice::new(seed);
    let residents = residents(&mut dice, today);
    let counts = visit_counts(&mut dice, &residents, today);
    let mut lines = vec![json!({
        "t": "clinic", "code": CLINIC_CODE, "region": REGION, "town": "青石镇",
        "villages": ["柳树湾村"], "doctors": [DOCTOR], "device": "BOX-LS01-A",
    })];
    for (resident, visits) in residents.iter().zip(counts) {
        lines.push(patient_line(resident, &mut dice, today));
        let mut days: Vec<u32> = (0..visits)
            .map(|_| dice.below(HISTORY_DAYS.min(resident.days)) + 1)
            .collect();
        days.sort_unstable_by(|a, b| b.cmp(a));
        for (n, days_ago) in days.into_iter().enumerate() {
            let date = back(today, days_ago);
            visit_lines(resident, n, date, &mut dice, &mut lines);
        }
    }
    lines
}

/// The doctor who wrote the village's history.
pub const DOCTOR: &str = "周素梅";

fn back(from: Date, days: u32) -> Date {
    from.saturating_sub(jiff::Span::new().days(i64::from(days)))
}

fn residents(dice: &mut Dice, today: Date) -> Vec<Resident> {
    let mut residents: Vec<Resident> = Vec::with_capacity(RESIDENTS);
    let mut house = 0;
    while residents.len() < RESIDENTS {
        house += 1;
        let surname = dice.pick(&SURNAMES);
        let elder_age = 28 + dice.below(60);
        let mut ages = vec![
            (true, elder_age),
            (false, elder_age.saturating_sub(dice.below(5))),
        ];
        let children = dice.below(4);
        ages.extend((0..children).map(|_| {
            (
                dice.chance(50),
                elder_age.saturating_sub(24 + dice.below(12)).min(60),
            )
        }));
        let householder = format!("{surname}{}", given_name(dice, true));
        for (place, (male, age)) in ages.into_iter().enumerate() {
            if residents.len() == RESIDENTS {
                break;
            }
            let wife_surname = dice.pick(&SURNAMES);
            let name = match place {
                0 => householder.clone(),
                1 => format!("{wife_surname}{}", given_name(dice, false)),
                _ => format!("{surname}{}", given_name(dice, male)),
            };
            // Nobody is younger than a week, so that nobody's visits lie before the birth.
            let days = age * 365 + 7 + dice.below(358);
            let birth = back(today, days);
            residents.push(Resident {
                id: format!("{CLINIC_CODE}-P{:04}", residents.len() + 1),
                name,
                male,
                birth,
                days,
                house,
                householder: householder.clone(),
                hypertension: age > 45 && dice.chance(38),
                diabetes: age > 45 && dice.chance(14),
                allergy: dice.chance(9).then(|| *dice.pick(&ALLERGENS)),
            });
        }
    }
    residents
}

fn given_name(dice: &mut Dice, male: bool) -> String {
    let letters: Vec<char> = if male { MALE } else { FEMALE }.chars().collect();
    let pair = usize::try_from(dice.below(12)).unwrap_or(0) * 2;
    let mut name: String = letters.iter().skip(pair).take(2).collect();
    if dice.chance(30) {
        name = name.chars().take(1).collect();
    }
    name
}

/// How many visits each resident has: the old and the chronically ill come more often.
fn visit_counts(dice: &mut Dice, residents: &[Resident], today: Date) -> Vec<u32> {
    let weight = |resident: &Resident| {
        let old = u32::from(age(resident.birth, today) > 60);
        1 + 2 * old + 4 * u32::from(resident.hypertension) + 4 * u32::from(resident.diabetes)
    };
    let mut lots: Vec<usize> = Vec::new();
    for (index, resident) in residents.iter().enumerate() {
        lots.extend((0..weight(resident)).map(|_| index));
    }
    let mut counts = vec![0; residents.len()];
    for _ in 0..VISITS {
        counts[*dice.pick(&lots)] += 1;
    }
    counts
}

fn age(birth: Date, on: Date) -> i16 {
    records::time::BirthDate(birth).age_years(on)
}

fn id_number(resident: &Resident, dice: &mut Dice) -> String {
    let order = dice.below(499) * 2 + u32::from(resident.male);
    let birth = resident.birth.strftime("%Y%m%d");
    let body = format!("{REGION}{birth}{order:03}");
    // GB 11643-1999: weights 2^(18-i) mod 11, check characters by the remainder.
    let sum: u32 = body
        .chars()
        .zip([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
        .map(|(digit, weight)| digit.to_digit(10).unwrap_or(0) * weight)
        .sum();
    let check =
        ["1", "0", "X", "9", "8", "7", "6", "5", "4", "3", "2"][usize::try_from(sum % 11).unwrap_or(0)];
    format!("{body}{check}")
}

fn patient_line(resident: &Resident, dice: &mut Dice, today: Date) -> Value {
    let mut problems = Vec::new();
    let mut medications = Vec::new();
    let mut chronic = Vec::new();
    let mut found = |code: &str, name: &str, drug: &str, spec: &str, freq: &str, year: u32| {
        problems.push(
            json!({"code": code, "name": name, "onset": format!("{}-06", 2016 + year), "status": "在管"}),
        );
        medications.push(json!({"drug": drug, "spec": spec, "dose": "1片", "freq": freq, "since": format!("{}-06", 2017 + year)}));
        chronic.push(name.trim_end_matches('病').to_owned());
    };
    if resident.hypertension {
        found(
            "I10.x00",
            "高血压病",
            "苯磺酸氨氯地平片",
            "5mg",
            "qd",
            dice.below(6),
        );
    }
    if resident.diabetes {
        found("E11.900", "2型糖尿病", "二甲双胍片", "0.5g", "bid", dice.below(6));
    }
    let child = age(resident.birth, today) < 16;
    json!({
        "t": "patient", "id": resident.id, "clinic": CLINIC_CODE, "name": resident.name,
        "sex": if resident.male { "男" } else { "女" }, "birth_date": resident.birth.to_string(),
        "id_no": id_number(resident, dice), "phone": format!("1990000{:04}", dice.below(10_000)), "phone2": "",
        "ethnicity": "汉族", "marital": if child { "未婚" } else { "已婚" },
        "education": if child { "小学" } else { "初中" }, "occupation": if child { "学生" } else { "农民" },
        "county": "示例县", "town": "青石镇", "village": "柳树湾村",
        "group": GROUPS[resident.house % GROUPS.len()], "house": format!("{}号", resident.house),
        "household_id": format!("H{:05}", resident.house), "householder": resident.householder,
        "relation": "", "insurance": "城乡居民医保", "insurance_no": "", "blood_type": "不详", "rh": "不详",
        "family_doctor": DOCTOR, "contract_date": back(today, 200 + dice.below(160)).to_string(),
        "chronic": chronic, "problems": problems,
        "allergies": resident.allergy.map(|what| json!({
            "substance": what, "reaction": "皮疹", "severity": "中", "noted": "2021-05",
        })).into_iter().collect::<Vec<_>>(),
        "medications": medications, "created_at": back(today, HISTORY_DAYS + 30).to_string(),
    })
}

fn suits(scenario: &Scenario, resident: &Resident, date: Date) -> bool {
    let years = age(resident.birth, date);
    (scenario.ages.0..=scenario.ages.1).contains(&years)
        && (!scenario.needs_hypertension || resident.hypertension)
        && (!scenario.needs_diabetes || resident.diabetes)
}

fn visit_lines(resident: &Resident, n: usize, date: Date, dice: &mut Dice, lines: &mut Vec<Value>) {
    let fitting: Vec<&Scenario> = SCENARIOS
        .iter()
        .filter(|scenario| suits(scenario, resident, date))
        .collect();
    let weighted: Vec<&Scenario> = fitting
        .iter()
        .flat_map(|scenario| std::iter::repeat_n(*scenario, scenario.weight))
        .collect();
    let scenario = *dice.pick(&weighted);
    let note = notes::compose(scenario, dice);
    let (hour, minute) = (8 + dice.below(9), dice.below(50));
    let started = format!("{date}T{hour:02}:{minute:02}:00");
    let ended = format!("{date}T{hour:02}:{:02}:00", minute + 8);
    let raised = u32::from(resident.hypertension) * 16;
    let systolic = 108 + dice.below(26) + raised;
    let diastolic = 66 + dice.below(18) + raised / 2;
    let pulse = 62 + dice.below(26) + if scenario.fever { 14 } else { 0 };
    let deci_celsius = if scenario.fever {
        378 + dice.below(14)
    } else {
        362 + dice.below(7)
    };
    let temperature = f64::from(deci_celsius) / 10.0;
    let visit = format!("{}-E{n:03}", resident.id);
    // Small children are not measured with a grown-up's cuff.
    let cuffed = age(resident.birth, date) >= 16;
    let prescriptions: Vec<Value> = scenario.drugs.iter().map(|drug| drug_line(drug, dice)).collect();
    let mut line = json!({
        "t": "encounter", "id": visit, "patient": resident.id, "clinic": CLINIC_CODE, "doctor": DOCTOR,
        "kind": scenario.kind, "started_at": started, "ended_at": ended,
        "chief_complaint": note.complaint, "history": note.history, "past_history": note.past,
        "exam": note.examination, "advice": note.advice,
        "temp_c": temperature, "spo2": 95 + dice.below(5),
        "diagnoses": [{"code": scenario.code, "name": scenario.diagnosis, "certainty": "确诊"}],
        "prescriptions": prescriptions, "followup_date": "", "referral": false, "status": "完成",
        "device": "BOX-LS01-A", "signed_by": DOCTOR,
    });
    if cuffed {
        line["pulse"] = json!(pulse);
        line["resp"] = json!(16 + dice.below(5));
        line["sbp"] = json!(systolic);
        line["dbp"] = json!(diastolic);
    }
    lines.push(line);
    if cuffed {
        lines.push(json!({
            "t": "vital", "id": format!("{visit}-V0"), "patient": resident.id, "encounter": visit, "kind": "bp",
            "values": [systolic, diastolic, pulse], "taken_at": started, "device": "HBP-9030", "quality": "ok",
        }));
    }
    if scenario.fever {
        lines.push(json!({
            "t": "vital", "id": format!("{visit}-V1"), "patient": resident.id, "encounter": visit,
            "kind": "temp", "values": [temperature], "taken_at": started, "device": "MLX90614", "quality": "ok",
        }));
    }
}

fn drug_line(drug: &notes::Drug, dice: &mut Dice) -> Value {
    let days = 3 + dice.below(5);
    json!({
        "drug": drug.name, "spec": drug.strength, "dose": drug.dose, "route": drug.route, "freq": drug.frequency,
        "days": days, "qty": days, "unit": "盒", "price": f64::from(300 + dice.below(2500)) / 100.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_village_of_the_promised_size() {
        let today = Date::constant(2026, 11, 25);
        let village = lines(7, today);
        assert_eq!(village, lines(7, today));
        assert_ne!(village, lines(8, today));
        let count = |kind: &str| village.iter().filter(|line| line["t"] == kind).count();
        assert_eq!((count("patient"), count("encounter")), (RESIDENTS, VISITS));
    }

    #[test]
    fn every_line_has_its_own_id_and_every_visit_its_resident() {
        let village = lines(1, Date::constant(2026, 2, 28));
        let mut ids = std::collections::BTreeSet::new();
        for line in village.iter().filter(|line| line["id"].is_string()) {
            assert!(ids.insert(line["id"].to_string()));
        }
        for visit in village.iter().filter(|line| line["t"] == "encounter") {
            assert!(ids.contains(&visit["patient"].to_string()));
            assert!(visit["history"].as_str().is_some_and(|text| !text.contains('{')));
        }
    }
}
