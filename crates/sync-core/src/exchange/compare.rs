//! Where both ends have nothing to send and still hold different things: which documents differ is found by set
//! reconciliation over the prints of the documents, and both ends send those again.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use negentropy::{Id, Negentropy, NegentropyStorageVector};

use crate::exchange::{Ask, End, Exchange, ExchangeFault};
use crate::wire::{Frame, MAX_LACKING, WireFault};

/// Most bytes of one message of the comparison.
const MESSAGE_MAX: u64 = 12 * 1024;
/// Most documents that one comparison sends again; the others follow at the next contact.
const DIFFERENCES_MAX: usize = 4096;
/// Most messages from the other end in one comparison.
const ROUNDS_MAX: u32 = 256;

/// One end's view of a comparison.
pub(crate) struct Compare {
    sets: Negentropy<'static, NegentropyStorageVector>,
    ours: Vec<[u8; 32]>,
    theirs: Vec<[u8; 32]>,
    rounds: u32,
}

impl fmt::Debug for Compare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Compare({} rounds)", self.rounds)
    }
}

impl Compare {
    fn new(prints: &[[u8; 32]]) -> Option<Self> {
        let mut set = NegentropyStorageVector::with_capacity(prints.len());
        for print in prints {
            set.insert(0, Id::from_byte_array(*print)).ok()?;
        }
        set.seal().ok()?;
        Some(Self {
            sets: Negentropy::owned(set, MESSAGE_MAX).ok()?,
            ours: Vec::new(),
            theirs: Vec::new(),
            rounds: 0,
        })
    }

    /// The box's next message; `None` when it knows all.
    fn ask(&mut self, answer: &[u8]) -> Result<Option<Vec<u8>>, WireFault> {
        self.count()?;
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let next = catch_unwind(AssertUnwindSafe(|| {
            self.sets.reconcile_with_ids(answer, &mut have, &mut need)
        }));
        let next = next
            .ok()
            .and_then(Result::ok)
            .ok_or(WireFault::BadValue("comparison"))?;
        self.ours.extend(have.iter().map(|id| *id.as_bytes()));
        self.theirs.extend(need.iter().map(|id| *id.as_bytes()));
        let enough = self.ours.len().max(self.theirs.len()) >= DIFFERENCES_MAX;
        Ok(next.filter(|_| !enough))
    }

    /// The hub's answer.
    fn answer(&mut self, question: &[u8]) -> Result<Vec<u8>, WireFault> {
        self.count()?;
        catch_unwind(AssertUnwindSafe(|| self.sets.reconcile(question)))
            .ok()
            .and_then(Result::ok)
            .ok_or(WireFault::BadValue("comparison"))
    }

    fn count(&mut self) -> Result<(), WireFault> {
        self.rounds += 1;
        if self.rounds > ROUNDS_MAX {
            return Err(WireFault::TooLong("comparison"));
        }
        Ok(())
    }
}

impl Exchange {
    /// The box found its fingerprint to differ although nothing waits: once a connection it finds out where.
    pub(crate) fn box_differs(&mut self) {
        if !self.compared {
            self.compared = true;
            self.box_unsettle();
            self.asks.push_back(Ask::Prints);
        }
    }

    /// The prints of the documents that are compared.
    pub(crate) fn handle_prints(&mut self, prints: &[[u8; 32]]) -> Result<(), ExchangeFault> {
        let mut compare = Compare::new(prints).ok_or(WireFault::BadValue("comparison"))?;
        match (&self.end, self.question.take()) {
            (End::Box(_), _) => {
                let first = compare
                    .sets
                    .initiate()
                    .map_err(|_| WireFault::BadValue("comparison"))?;
                self.pipe.send_control(&Frame::Compare(first));
            }
            (End::Hub(_), Some(question)) => {
                let answer = compare.answer(&question)?;
                self.pipe.send_control(&Frame::Compare(answer));
            }
            (End::Hub(_), None) => {}
        }
        self.compare = Some(compare);
        Ok(())
    }

    pub(crate) fn handle_compare(&mut self, bytes: Vec<u8>) -> Result<(), ExchangeFault> {
        match (&self.end, &mut self.compare) {
            (End::Box(_), Some(compare)) => {
                if let Some(next) = compare.ask(&bytes)? {
                    self.pipe.send_control(&Frame::Compare(next));
                    return Ok(());
                }
                let Compare {
                    mut ours, mut theirs, ..
                } = self
                    .compare
                    .take()
                    .ok_or(ExchangeFault::OutOfTurn("a comparison"))?;
                ours.truncate(DIFFERENCES_MAX);
                theirs.truncate(DIFFERENCES_MAX);
                // The hub answers that it is quiet again, also where it has nothing to send.
                let pages = theirs.chunks(MAX_LACKING).map(<[_]>::to_vec);
                for page in pages.chain(theirs.is_empty().then(Vec::new)) {
                    self.pipe.send_control(&Frame::Lacking(page));
                }
                self.box_unsettle();
                self.asks.push_back(Ask::SendAgain(ours));
            }
            (End::Box(_), None) => return Err(ExchangeFault::OutOfTurn("a comparison")),
            (End::Hub(_), Some(compare)) => {
                let answer = compare.answer(&bytes)?;
                self.pipe.send_control(&Frame::Compare(answer));
            }
            (End::Hub(_), None) => {
                self.question = Some(bytes);
                self.asks.push_back(Ask::Prints);
            }
        }
        Ok(())
    }

    /// The box lacks documents with these prints, or has them in another state.
    pub(crate) fn hub_handle_lacking(&mut self, prints: Vec<[u8; 32]>) -> Result<(), ExchangeFault> {
        let End::Hub(hub) = &mut self.end else {
            return Err(ExchangeFault::OutOfTurn("a comparison"));
        };
        hub.news();
        self.compare = None;
        self.asks.push_back(Ask::SendAgain(prints));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prints that only one side holds, found by messages of bounded length.
    fn differences(here: &[[u8; 32]], there: &[[u8; 32]]) -> (Vec<[u8; 32]>, Vec<[u8; 32]>, usize) {
        let (mut asks, mut answers) = (Compare::new(here).unwrap(), Compare::new(there).unwrap());
        let mut message = Some(asks.sets.initiate().unwrap());
        let mut carried = 0;
        while let Some(question) = message {
            let answer = answers.answer(&question).unwrap();
            assert!(question.len().max(answer.len()) <= MESSAGE_MAX as usize);
            carried += question.len() + answer.len();
            message = asks.ask(&answer).unwrap();
        }
        (asks.ours, asks.theirs, carried)
    }

    fn print(n: u32) -> [u8; 32] {
        *blake3::hash(&n.to_be_bytes()).as_bytes()
    }

    #[test]
    fn the_few_documents_that_differ_are_found_among_many() {
        let here: Vec<[u8; 32]> = (0..5000).map(print).collect();
        let mut there = here.clone();
        there.retain(|one| *one != print(7) && *one != print(4000));
        there.push(print(9001));
        let (mut ours, theirs, carried) = differences(&here, &there);
        ours.sort_unstable();
        let mut expected = [print(7), print(4000)];
        expected.sort_unstable();
        assert_eq!(
            (ours.as_slice(), theirs.as_slice()),
            (&expected[..], &[print(9001)][..])
        );
        assert!(carried < 20_000, "{carried} bytes to find three of 5,000");
        let (ours, theirs, carried) = differences(&here, &here);
        assert!(ours.is_empty() && theirs.is_empty() && carried < 700, "{carried}");
        let (ours, theirs, _) = differences(&[], &here[..300]);
        assert_eq!((ours.len(), theirs.len()), (0, 300));
    }

    #[test]
    fn hostile_bytes_end_a_comparison_and_nothing_else() {
        for bytes in [&[][..], &[0; 4], &[0x61, 0xff, 0xff, 0xff, 0xff], &[0x61; 5000]] {
            let mut compare = Compare::new(&[print(1)]).unwrap();
            let _ = compare.answer(bytes);
            compare.rounds = ROUNDS_MAX;
            assert!(compare.answer(bytes).is_err());
        }
    }
}
