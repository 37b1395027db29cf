//! Sets of sequence numbers as ranges: what one end holds of a session.

use std::collections::BTreeMap;

use crate::identity::{Actor, Position};
use crate::wire::bytes::{Reader, WireFault, Writer};

/// Most ranges that one session may be told as.
pub const MAX_RANGES: usize = 4096;

/// A set of numbers, kept as inclusive ranges that neither touch nor overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeSet(BTreeMap<u64, u64>);

impl RangeSet {
    /// The set of one range; empty where `first > last`.
    pub fn from_range(first: u64, last: u64) -> Self {
        let mut set = Self::default();
        set.insert(first, last);
        set
    }

    /// Adds every number from `first` to `last`.
    pub fn insert(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        let (mut first, mut last) = (first, last);
        let touching: Vec<u64> = self
            .0
            .range(..=last.saturating_add(1))
            .rev()
            .take_while(|(_, end)| end.saturating_add(1) >= first)
            .map(|(start, _)| *start)
            .collect();
        for start in touching {
            if let Some(end) = self.0.remove(&start) {
                first = first.min(start);
                last = last.max(end);
            }
        }
        self.0.insert(first, last);
    }

    /// Adds every number of the other set.
    pub fn extend(&mut self, other: &Self) {
        other.iter().for_each(|(first, last)| self.insert(first, last));
    }

    /// Whether the number is in the set.
    pub fn contains(&self, number: u64) -> bool {
        self.0
            .range(..=number)
            .next_back()
            .is_some_and(|(_, last)| *last >= number)
    }

    /// The ranges, rising, each first and last number.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().map(|(first, last)| (*first, *last))
    }

    /// Whether no number is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many numbers are in the set.
    pub fn count(&self) -> u64 {
        self.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// The numbers that are in both sets.
    pub fn intersection(&self, other: &Self) -> Self {
        let mut common = Self::default();
        for (first, last) in self.iter() {
            for (start, end) in other.iter() {
                common.insert(first.max(start), last.min(end));
            }
        }
        common
    }

    /// The numbers that are in this set and not in the other.
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Self::default();
        for (first, last) in self.iter() {
            let mut at = first;
            let before = other
                .0
                .range(..first)
                .next_back()
                .map(|(start, end)| (*start, *end));
            let inside = other.0.range(first..=last).map(|(start, end)| (*start, *end));
            for (start, end) in before.into_iter().chain(inside) {
                if start > at {
                    left.insert(at, start - 1);
                }
                if end >= last {
                    at = 0;
                    break;
                }
                at = at.max(end + 1);
            }
            if at > 0 {
                left.insert(at, last);
            }
        }
        left
    }

    /// Whether every number of the other set is in this one.
    pub fn covers(&self, other: &Self) -> bool {
        other.iter().all(|(first, last)| {
            self.0
                .range(..=first)
                .next_back()
                .is_some_and(|(_, end)| *end >= last)
        })
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.count(self.0.len());
        let mut at = 0;
        for (first, last) in self.iter() {
            out.number(first - at);
            out.number(last - first);
            at = last;
        }
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        let count = from.count(MAX_RANGES, 2, "ranges")?;
        let mut set = Self::default();
        let mut at = 0u64;
        for nth in 0..count {
            let gap = from.number("range")?;
            let length = from.number("range")?;
            if nth > 0 && gap < 2 {
                return Err(WireFault::BadValue("range"));
            }
            let first = at.checked_add(gap).ok_or(WireFault::BadValue("range"))?;
            at = first.checked_add(length).ok_or(WireFault::BadValue("range"))?;
            set.0.insert(first, at);
        }
        Ok(set)
    }
}

/// What one end holds, session by session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings(pub BTreeMap<Actor, RangeSet>);

impl Holdings {
    /// Adds one position.
    pub fn insert(&mut self, position: Position) {
        self.0
            .entry(position.actor)
            .or_default()
            .insert(position.seq, position.seq);
    }

    /// Whether the position is held.
    pub fn contains(&self, position: &Position) -> bool {
        self.0
            .get(&position.actor)
            .is_some_and(|set| set.contains(position.seq))
    }

    /// Adds everything of the other.
    pub fn extend(&mut self, other: &Self) {
        for (actor, set) in &other.0 {
            self.0.entry(*actor).or_default().extend(set);
        }
    }

    /// What is held here and not by the other.
    pub fn without(&self, other: &Self) -> Self {
        let left = self.0.iter().map(|(actor, set)| match other.0.get(actor) {
            Some(theirs) => (*actor, set.without(theirs)),
            None => (*actor, set.clone()),
        });
        Self(left.filter(|(_, set)| !set.is_empty()).collect())
    }

    /// Eight bytes that tell two ends whether they speak of the same holdings of changes and of the same ends of
    /// audit chains. Empty sessions do not count.
    pub fn digest(&self, audit: &BTreeMap<Actor, u64>) -> [u8; 8] {
        let mut out = Writer::default();
        for (actor, end) in audit.iter().filter(|(_, end)| **end > 0) {
            out.put(&actor.to_bytes());
            out.number(*end);
        }
        out.byte(0);
        for (actor, set) in self.0.iter().filter(|(_, set)| !set.is_empty()) {
            out.put(&actor.to_bytes());
            set.write(&mut out);
        }
        let mut digest = [0; 8];
        digest.copy_from_slice(&blake3::hash(&out.bytes).as_bytes()[..8]);
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn numbers(set: &RangeSet) -> BTreeSet<u64> {
        set.iter().flat_map(|(first, last)| first..=last).collect()
    }

    proptest! {
        #[test]
        fn a_range_set_is_a_set(
            left in proptest::collection::vec((1u64..60, 0u64..6), 0..12),
            right in proptest::collection::vec((1u64..60, 0u64..6), 0..12),
        ) {
            let build = |parts: &[(u64, u64)]| {
                let mut set = RangeSet::default();
                let mut model = BTreeSet::new();
                for (first, more) in parts {
                    set.insert(*first, first + more);
                    model.extend(*first..=first + more);
                }
                (set, model)
            };
            let ((a, a_model), (b, b_model)) = (build(&left), build(&right));
            prop_assert_eq!(&numbers(&a), &a_model);
            prop_assert_eq!(a.count(), a_model.len() as u64);
            prop_assert_eq!(numbers(&a.intersection(&b)), &a_model & &b_model);
            prop_assert_eq!(numbers(&a.without(&b)), &a_model - &b_model);
            prop_assert_eq!(a.covers(&b), b_model.is_subset(&a_model));
            prop_assert!((0..70).all(|n| a.contains(n) == a_model.contains(&n)));
            let ends: Vec<_> = a.iter().collect();
            prop_assert!(ends.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
            let mut out = Writer::default();
            a.write(&mut out);
            prop_assert_eq!(RangeSet::read(&mut Reader::new(&out.bytes)), Ok(a));
        }
    }

    #[test]
    fn the_largest_number_is_no_special_case() {
        let mut set = RangeSet::from_range(u64::MAX, u64::MAX);
        set.insert(1, 2);
        assert!(set.contains(u64::MAX) && !set.contains(u64::MAX - 1));
        let mut out = Writer::default();
        set.write(&mut out);
        assert_eq!(RangeSet::read(&mut Reader::new(&out.bytes)), Ok(set));
        assert!(RangeSet::read(&mut Reader::new(&[2, 1, 0, 1, 0])).is_err());
    }
}
