//! Tests of the codec.

use proptest::prelude::*;

use super::*;
use crate::synthetic::{Heart, HeartSettings};

/// A waveform out of integers alone, so that its bytes cannot depend on a machine's mathematics.
fn saw(samples: i32) -> Waveform {
    let one = |at: i32| at * 37 % 101 - 50 + if at % 60 == 7 { 400 } else { 0 };
    let two = |at: i32| at * 53 % 89 - 40 + if at % 60 == 7 { 600 } else { 0 };
    let lead = |name, value: &dyn Fn(i32) -> i32| Lead {
        name,
        scale: Scale::RECORDER_STEP,
        zero: 3,
        samples: (0..samples).map(value).collect(),
    };
    let leads = vec![
        lead(LeadName::I, &one),
        lead(LeadName::II, &two),
        lead(LeadName::AVR, &|at| -(one(at) + two(at)) / 2),
        lead(LeadName::V1, &|at| at / 7 * 2),
        lead(LeadName::Other("MLII".into()), &|at| (at % 500).pow(3)),
    ];
    let mark = |start, len, lead, kind| Mark {
        start,
        len,
        lead,
        kind,
    };
    let marks = vec![
        mark(2, 3, None, MarkKind::Gap),
        mark(5, 1, Some(3), MarkKind::Clipped),
    ];
    Waveform::new(SampleRateHz::DIAGNOSTIC, leads, marks).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What was stored once is read for ever: these bytes never change.
#[test]
fn the_form_of_version_1_stays() {
    const STORED: &str = concat!(
        "4543475a01a0c21e050c0080f28ba80906c0843d00000180f28ba80906c0843d00000380f28ba80906c0843d00020006",
        "80f28ba80906a0cb98010101ff01044d4c494980f28ba80906c0843d000002000002030104050144fd2fdc3f2376d734",
        "a7e9308ee30057ce63040eb9f200d736a7feeddaf365405b954e9688ed142097dfa13f3b217060860b7b0cde77f1d441",
        "c40f9840ee170002799c8600bcb7a98a",
    );
    assert_eq!(hex(&encode(&saw(12))), STORED);
    let stored: Vec<u8> = (0..STORED.len() / 2)
        .map(|at| u8::from_str_radix(&STORED[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    assert_eq!(decode(&stored), Ok(saw(12)));
    let long = encode(&saw(2000));
    assert_eq!((long.len(), crc32(&long)), (8480, 0x2144df1c));
}

fn heart(seconds: f64) -> Waveform {
    Heart::new(HeartSettings::default(), 5).record(seconds, SampleRateHz::DIAGNOSTIC)
}

/// Ten seconds of twelve leads take 17 to 30 kB in the measurements of public recordings; raw they are 120 kB.
#[test]
fn a_heart_comes_back_and_is_small() {
    let heart = heart(10.0);
    let bytes = encode(&heart);
    assert!(bytes.len() < 24_000, "{} bytes", bytes.len());
    assert_eq!(decode(&bytes), Ok(heart));
}

#[test]
fn limb_leads_that_follow_cost_next_to_nothing() {
    let heart = heart(4.0);
    let independent: Vec<Lead> = heart
        .leads()
        .iter()
        .filter(|lead| Rule::of(&lead.name).is_none())
        .cloned()
        .collect();
    let all = encode(&heart).len();
    let eight = encode(&Waveform::new(heart.rate(), independent, vec![]).unwrap()).len();
    // The synthetic heart rounds each lead by itself: about half a bit a sample of the four is left.
    assert!(all < eight + 4 * 2000 / 4, "{all} {eight}");
    let halves = |rule: fn(i32) -> i32| {
        let sum = |at: usize| heart.leads()[0].samples[at] + heart.leads()[1].samples[at];
        let samples = (0..heart.len()).map(|at| rule(-sum(at))).collect();
        let avr = Lead {
            samples,
            ..heart.leads()[3].clone()
        };
        let leads = vec![heart.leads()[0].clone(), heart.leads()[1].clone(), avr];
        encode(&Waveform::new(heart.rate(), leads, vec![]).unwrap()).len()
    };
    let two = encode(&Waveform::new(heart.rate(), heart.leads()[..2].to_vec(), vec![]).unwrap()).len();
    for rule in [
        |sum| sum / 2,
        |sum: i32| sum.div_euclid(2),
        |sum: i32| (sum + 1).div_euclid(2),
    ] as [fn(i32) -> i32; 3]
    {
        assert!(halves(rule) < two + 150, "{} {two}", halves(rule));
    }
}

#[test]
fn what_is_damaged_or_foreign_is_refused() {
    let bytes = encode(&saw(12));
    for len in 0..bytes.len() {
        assert!(decode(&bytes[..len]).is_err(), "cut at {len}");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(decode(&damaged).is_err(), "byte {at} changed");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(decode(&longer).is_err());
    assert_eq!(decode(b"RIFFxxxxxxxx"), Err(CodecError::NotAWaveform));
    let mut newer = bytes;
    newer[4] = 9;
    assert_eq!(decode(&newer), Err(CodecError::NewerVersion(9)));
}

fn with_sum(mut content: Vec<u8>) -> Vec<u8> {
    let sum = crc32(&content);
    content.extend_from_slice(&sum.to_le_bytes());
    content
}

/// A few bytes with a right checksum that announce sixteen million samples take no memory for them.
#[test]
fn sizes_are_checked_before_memory_is_taken() {
    let announced = |leads: u64, samples: u64| {
        let mut out = MAGIC.to_vec();
        out.push(VERSION);
        put_unsigned(&mut out, 500_000);
        put_unsigned(&mut out, leads);
        put_unsigned(&mut out, samples);
        let lead = Lead {
            name: LeadName::I,
            scale: Scale::RECORDER_STEP,
            zero: 0,
            samples: vec![],
        };
        put_lead(
            &mut out,
            &lead,
            Coding {
                grid: Grid::PLAIN,
                method: Method::Predicted { plateaus: true },
            },
        );
        put_unsigned(&mut out, 0);
        put_unsigned(&mut out, 5);
        out.extend_from_slice(&[0; 5]);
        decode(&with_sum(out))
    };
    assert_eq!(announced(1, 1 << 24), Err(CodecError::Length));
    assert!(matches!(
        announced(1, u64::MAX),
        Err(CodecError::Waveform(BadWaveform::TooManySamples(_)))
    ));
    assert!(matches!(
        announced(1 << 40, 1),
        Err(CodecError::Waveform(BadWaveform::TooManyLeads(_)))
    ));
    assert_eq!(announced(1, 4).map(|waveform| waveform.len()), Ok(4));
}

fn any_samples(len: usize) -> impl Strategy<Value = Vec<i32>> {
    let wild = prop::collection::vec(any::<i32>(), len);
    let walk = prop::collection::vec(-30i32..30, len).prop_map(|steps| {
        let mut sum = 0i32;
        steps
            .into_iter()
            .map(|step| {
                // Plateaus as well as movement.
                sum += if step % 3 == 0 { 0 } else { step };
                sum
            })
            .collect()
    });
    let grid = (
        prop::collection::vec(-500i32..500, len),
        prop::sample::select(vec![2.5, 4.88, 2.44, 5.0, 9.765_625]),
    );
    let grid = grid.prop_map(|(steps, step)| {
        steps
            .into_iter()
            .map(|n| (f64::from(n) * step).round() as i32)
            .collect()
    });
    prop_oneof![1 => wild, 3 => walk, 2 => grid]
}

fn any_waveform() -> impl Strategy<Value = Waveform> {
    let names = prop::sample::subsequence(LeadName::STANDARD.to_vec(), 0..=12);
    (names, 0usize..120, 1_000u32..2_000_000, any::<u64>())
        .prop_flat_map(|(mut names, len, millihertz, order)| {
            let turn = order as usize % names.len().max(1);
            names.rotate_left(turn);
            if names.is_empty() || order.is_multiple_of(3) {
                names.push(LeadName::Other("导联 x".into()));
            }
            let count = names.len();
            let leads =
                prop::collection::vec((any_samples(len), 1..=Scale::MAX_FEMTOVOLTS, any::<i32>()), count);
            let marks = prop::collection::vec((0..len.max(1), 1..20usize, 0..=count, 0..3usize), 0..4);
            (Just(names), leads, marks, Just((len, millihertz)))
        })
        .prop_map(|(names, leads, marks, (len, millihertz))| {
            let leads = names
                .into_iter()
                .zip(leads)
                .map(|(name, (samples, scale, zero))| Lead {
                    name,
                    scale: Scale::from_femtovolts(scale).unwrap(),
                    zero,
                    samples,
                });
            let marks = marks
                .into_iter()
                .filter(|_| len > 0)
                .map(|(start, long, lead, kind)| Mark {
                    start: start as u32,
                    len: long.min(len - start) as u32,
                    lead: lead.checked_sub(1).map(|lead| lead as u8),
                    kind: MarkKind::ALL[kind],
                });
            let rate = SampleRateHz::from_millihertz(millihertz).unwrap();
            Waveform::new(rate, leads.collect(), marks.collect()).unwrap()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_waveform_comes_back(waveform in any_waveform()) {
        prop_assert_eq!(decode(&encode(&waveform)), Ok(waveform));
    }

    /// Hostile bytes with a right checksum: refused, or a waveform that comes back, but no panic.
    #[test]
    fn forged_bytes_do_no_harm(changes in prop::collection::vec((5usize..400, any::<u8>()), 1..8)) {
        let mut bytes = encode(&saw(60));
        bytes.truncate(bytes.len() - 4);
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        fuzz_one(&with_sum(bytes));
    }
}
