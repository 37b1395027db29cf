//! Time as data: what the wall clock said, where that came from, and civil dates.
//!
//! Nothing here reads a clock. A box has no battery clock, so each record carries its wall time and the
//! source of that time.

use std::fmt;
use std::str::FromStr;

pub use jiff::civil::Date;

/// Milliseconds since 1970-01-01T00:00:00Z as some wall clock told them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(pub i64);

/// Offset of China Standard Time from UTC; the whole country keeps it, without summer time, since 1991.
pub const CHINA_OFFSET_HOURS: i8 = 8;

impl WallTime {
    /// Earliest instant that is kept as it is: 1900-01-01.
    pub const MIN: Self = Self(-2_208_988_800_000);
    /// Latest instant that is kept as it is: 2200-01-01.
    pub const MAX: Self = Self(7_258_118_400_000);

    /// The instant as jiff knows it; out of bounds is clamped.
    pub fn timestamp(self) -> jiff::Timestamp {
        let clamped = self.0.clamp(Self::MIN.0, Self::MAX.0);
        jiff::Timestamp::from_millisecond(clamped).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// Civil date and time in China.
    pub fn china(self) -> jiff::civil::DateTime {
        jiff::tz::Offset::constant(CHINA_OFFSET_HOURS).to_datetime(self.timestamp())
    }

    /// Civil date in China.
    pub fn china_date(self) -> Date {
        self.china().date()
    }

    /// The instant of a civil date and time in China.
    pub fn from_china(at: jiff::civil::DateTime) -> Self {
        let offset = jiff::tz::Offset::constant(CHINA_OFFSET_HOURS);
        Self(
            offset
                .to_timestamp(at)
                .map_or(0, |instant| instant.as_millisecond()),
        )
    }

    /// RFC 3339 text in UTC.
    pub fn rfc3339(self) -> String {
        self.timestamp().to_string()
    }
}

/// Where a wall time came from, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClockSource {
    /// Nobody set the clock since the power came back.
    None,
    /// A tablet offered its clock at sign-in.
    Tablet,
    /// The county hub told it.
    Hub,
    /// Satellites or a time server.
    Network,
}

impl ClockSource {
    /// Every source, worst first.
    pub const ALL: [Self; 4] = [Self::None, Self::Tablet, Self::Hub, Self::Network];

    /// The word in tables and documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tablet => "tablet",
            Self::Hub => "hub",
            Self::Network => "network",
        }
    }

    /// The source with this word; an unknown word counts as no source.
    pub fn from_word(word: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|source| source.word() == word)
            .unwrap_or(Self::None)
    }
}

/// A wall time and its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// What the clock said.
    pub at: WallTime,
    /// Where the clock had it from.
    pub source: ClockSource,
}

/// A birth date: a civil date that never becomes an instant, so no time zone can move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BirthDate(pub Date);

impl BirthDate {
    /// Completed years on `today`; a birth in the future counts as 0.
    pub fn age_years(self, today: Date) -> i16 {
        let had_birthday = (today.month(), today.day()) >= (self.0.month(), self.0.day());
        (today.year() - self.0.year() - i16::from(!had_birthday)).max(0)
    }
}

impl fmt::Display for BirthDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is no date of the form YYYY-MM-DD or YYYYMMDD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a date of the form YYYY-MM-DD")]
pub struct BadDate;

impl FromStr for BirthDate {
    type Err = BadDate;
    fn from_str(text: &str) -> Result<Self, BadDate> {
        let digits: String = text.chars().filter(|c| !matches!(c, '-' | '/' | '.')).collect();
        if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BadDate);
        }
        let number = |range: std::ops::Range<usize>| digits[range].parse::<i16>().map_err(|_| BadDate);
        let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
        let month = i8::try_from(month).map_err(|_| BadDate)?;
        let day = i8::try_from(day).map_err(|_| BadDate)?;
        Date::new(year, month, day).map(Self).map_err(|_| BadDate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_birthday_counts_from_its_day_on() {
        let birth: BirthDate = "1986-05-04".parse().unwrap();
        assert_eq!(birth.age_years("2026-05-03".parse().unwrap()), 39);
        assert_eq!(birth.age_years("2026-05-04".parse().unwrap()), 40);
        assert_eq!(birth.age_years("1980-01-01".parse().unwrap()), 0);
        assert_eq!("19860504".parse::<BirthDate>().unwrap(), birth);
        assert!("1986-13-04".parse::<BirthDate>().is_err());
    }

    #[test]
    fn china_time_round_trips() {
        let at = WallTime(1_700_000_000_000);
        assert_eq!(WallTime::from_china(at.china()), at);
        assert_eq!(WallTime(0).china().to_string(), "1970-01-01T08:00:00");
    }
}
