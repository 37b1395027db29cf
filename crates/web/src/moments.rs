//! Days and times as people here write them: China's civil time, `3月10日 周二`, never a bare instant.

use records::time::{BirthDate, Date, WallTime};

use crate::texts::Lang;

/// Hours and minutes: `08:30`.
pub fn clock(at: WallTime) -> String {
    let china = at.china();
    format!("{:02}:{:02}", china.hour(), china.minute())
}

/// A day with its weekday: `3月10日 周二`; with the year where it is not the year of `today`.
pub fn day(lang: Lang, date: Date, today: Date) -> String {
    let numbers = [
        ("year", i64::from(date.year())),
        ("month", i64::from(date.month())),
        ("day", i64::from(date.day())),
    ];
    if date.year() == today.year() {
        return lang.t_mixed(
            "day-this-year",
            &numbers,
            &[("weekday", &lang.t(weekday_key(date)))],
        );
    }
    lang.t_mixed("day-with-year", &numbers, &[])
}

fn weekday_key(date: Date) -> &'static str {
    match date.weekday().to_monday_one_offset() {
        1 => "weekday-mon",
        2 => "weekday-tue",
        3 => "weekday-wed",
        4 => "weekday-thu",
        5 => "weekday-fri",
        6 => "weekday-sat",
        _ => "weekday-sun",
    }
}

/// A day without its weekday: `3月10日`; with the year where it is not the year of `today`.
pub fn short_day(lang: Lang, date: Date, today: Date) -> String {
    let numbers = [
        ("year", i64::from(date.year())),
        ("month", i64::from(date.month())),
        ("day", i64::from(date.day())),
    ];
    lang.t_mixed(
        if date.year() == today.year() {
            "tick-day"
        } else {
            "day-with-year"
        },
        &numbers,
        &[],
    )
}

/// Day and time: `今天 08:30`, `昨天 16:05`, `3月10日 周二 08:30`.
pub fn day_and_clock(lang: Lang, at: WallTime, today: Date) -> String {
    let date = at.china_date();
    let words = match days_between(date, today) {
        0 => lang.t("day-today"),
        1 => lang.t("day-yesterday"),
        _ => day(lang, date, today),
    };
    format!("{words} {}", clock(at))
}

/// How old something is, in whole days, months or years: `3 天前`. `None` for today and for the future.
pub fn age(lang: Lang, date: Date, today: Date) -> Option<String> {
    let days = days_between(date, today);
    match days {
        ..=0 => None,
        1..=59 => Some(lang.t_n("ago-days", days)),
        60..=729 => Some(lang.t_n("ago-months", days / 30)),
        _ => Some(lang.t_n("ago-years", days / 365)),
    }
}

/// Days from `earlier` to `later`; negative where they stand the other way round.
pub fn days_between(earlier: Date, later: Date) -> i64 {
    later.duration_since(earlier).as_hours() / 24
}

/// A person's age in words: years, below two years months, below two months days.
pub fn person_age(lang: Lang, birth: BirthDate, on: Date) -> String {
    let days = days_between(birth.0, on).max(0);
    let years = i64::from(birth.age_years(on));
    if years >= 2 {
        lang.t_n("age-years", years)
    } else if days >= 60 {
        lang.t_n("age-months", completed_months(birth.0, on))
    } else {
        lang.t_n("age-days", days)
    }
}

fn completed_months(from: Date, to: Date) -> i64 {
    let months = (i64::from(to.year()) - i64::from(from.year())) * 12 + i64::from(to.month())
        - i64::from(from.month());
    months - i64::from(to.day() < from.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn days_read_as_people_write_them() {
        let today = date("2026-03-10");
        assert_eq!(day(Lang::Zh, today, today), "3月10日 周二");
        assert_eq!(day(Lang::Zh, date("2025-12-31"), today), "2025年12月31日");
        assert_eq!(day(Lang::En, today, today), "Tue 10 Mar");
        let at = WallTime::from_china(date("2026-03-09").at(16, 5, 0, 0));
        assert_eq!(day_and_clock(Lang::Zh, at, today), "昨天 16:05");
        assert_eq!(day_and_clock(Lang::Zh, at, date("2026-03-09")), "今天 16:05");
    }

    #[test]
    fn an_instant_before_eight_utc_is_already_the_next_day_in_china() {
        let at = WallTime::from_china(date("2026-03-10").at(0, 1, 0, 0));
        assert_eq!(at.china_date(), date("2026-03-10"));
        assert_eq!(clock(at), "00:01");
    }

    #[test]
    fn ages_are_told_in_the_unit_that_matters() {
        let birth = |text: &str| text.parse::<BirthDate>().unwrap();
        let today = date("2026-03-10");
        assert_eq!(person_age(Lang::Zh, birth("1958-04-01"), today), "67岁");
        assert_eq!(person_age(Lang::Zh, birth("2025-03-11"), today), "11个月");
        assert_eq!(person_age(Lang::Zh, birth("2026-03-01"), today), "9天");
        assert_eq!(age(Lang::Zh, today, today), None);
        assert_eq!(age(Lang::Zh, date("2026-03-07"), today).as_deref(), Some("3天前"));
        assert_eq!(age(Lang::Zh, date("2023-03-07"), today).as_deref(), Some("3年前"));
    }
}
