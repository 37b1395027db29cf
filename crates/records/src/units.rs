//! Quantities. Integers with a stated scale, so that equal means equal after a merge.
//!
//! Construction checks what the quantity can be at all; what is alarming is a clinical table (`vitals`).

use std::fmt;

/// A number outside what the quantity can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{value} is outside {low} to {high} {unit}")]
pub struct OutOfBounds {
    /// The refused number, in the quantity's scale.
    pub value: i64,
    /// Smallest number that the quantity holds.
    pub low: i64,
    /// Largest number that the quantity holds.
    pub high: i64,
    /// Unit and scale.
    pub unit: &'static str,
}

macro_rules! quantities {
    ($($(#[$doc:meta])* $name:ident: $low:literal ..= $high:literal, $unit:literal, decimals $decimals:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i32);

        impl $name {
            /// Smallest and largest number that this quantity holds, in its scale.
            pub const RANGE: std::ops::RangeInclusive<i64> = $low..=$high;
            /// The unit as it stands on screens.
            pub const UNIT: &'static str = $unit;
            /// Decimal places of the text form.
            pub const DECIMALS: usize = $decimals;

            /// Takes a number in this quantity's scale.
            pub fn new(value: i64) -> Result<Self, OutOfBounds> {
                let refusal = OutOfBounds { value, low: $low, high: $high, unit: $unit };
                if !Self::RANGE.contains(&value) {
                    return Err(refusal);
                }
                i32::try_from(value).map(Self).map_err(|_| refusal)
            }

            /// The number in this quantity's scale.
            pub fn get(self) -> i64 {
                i64::from(self.0)
            }
        }

        impl fmt::Display for $name {
            /// Writes the number without its unit, with the decimals of its scale.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_scaled(self.get(), $decimals, f)
            }
        }
    )+};
}

fn write_scaled(value: i64, decimals: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if decimals == 0 {
        return write!(f, "{value}");
    }
    let scale = 10_i64.pow(decimals);
    let sign = if value < 0 { "-" } else { "" };
    let (whole, part) = (value.abs() / scale, value.abs() % scale);
    let mut digits = format!("{part:0width$}", width = decimals as usize);
    // One decimal place always shows; zeros behind it say nothing.
    while digits.len() > 1 && digits.ends_with('0') {
        digits.pop();
    }
    write!(f, "{sign}{whole}.{digits}")
}

quantities! {
    /// Pressure in millimetres of mercury.
    MmHg: 0 ..= 400, "mmHg", decimals 0;
    /// A rate per minute: pulse or heart rate.
    Bpm: 0 ..= 400, "次/分", decimals 0;
    /// Breaths per minute.
    BreathsPerMinute: 0 ..= 120, "次/分", decimals 0;
    /// Oxygen saturation in percent.
    SpO2Percent: 0 ..= 100, "%", decimals 0;
    /// Temperature in tenths of a degree Celsius.
    DeciCelsius: -700 ..= 4000, "℃", decimals 1;
    /// Height in millimetres; shown in centimetres.
    Millimetres: 0 ..= 3000, "cm", decimals 1;
    /// Weight in tens of grams; shown in kilograms.
    Decagrams: 0 ..= 60000, "kg", decimals 2;
    /// Blood glucose in tenths of a millimole per litre.
    DeciMmolPerLitre: 0 ..= 1000, "mmol/L", decimals 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_carry_the_scale() {
        assert_eq!(DeciCelsius::new(365).unwrap().to_string(), "36.5");
        assert_eq!(DeciCelsius::new(-5).unwrap().to_string(), "-0.5");
        assert_eq!(MmHg::new(138).unwrap().to_string(), "138");
        assert_eq!(Decagrams::new(6205).unwrap().to_string(), "62.05");
        assert_eq!(Decagrams::new(6250).unwrap().to_string(), "62.5");
        assert_eq!(Decagrams::new(6200).unwrap().to_string(), "62.0");
    }

    #[test]
    fn bounds_are_kept_at_the_edge() {
        assert!(MmHg::new(400).is_ok());
        assert!(MmHg::new(401).is_err());
        assert!(SpO2Percent::new(-1).is_err());
    }
}
