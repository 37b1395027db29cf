//! Tests of the codec.

use proptest::prelude::*;

use super::*;
use crate::synthetic::{Heart, HeartSettings};

#[test]
fn a_heart_comes_back() {
    let heart = Heart::new(HeartSettings::default(), 5).record(4.0, SampleRateHz::DIAGNOSTIC);
    assert_eq!(decode(&encode(&heart)), Ok(heart));
}
