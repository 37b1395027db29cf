//! The box's answers to what the exchange asks.

use records::ids::DeviceId;
use sync_core::exchange::{Answer, Ask, Taken, Told};
use sync_core::wire::{
    BlobHave, BlobPiece, BlobState, FeedBatch, FeedItem, Holds, Lane, Wanted, change_hash,
};

use crate::engine::{Store, StoreError, Tx};
use crate::ingest::{Foreign, Ingested, ingest};
use crate::log;
use crate::sql::Connection;
use crate::sync::recovery::UNKNOWN_PRINT;
use crate::sync::{
    again, blobs, facts, hand_back, kept, parked, purge, queue, ranges, repair, state, successions,
};

impl Store {
    /// Carries out what the exchange of a box asks. What it writes is one transaction.
    pub async fn answer_as_box(&self, ask: Ask) -> Result<Answer, StoreError> {
        match ask {
            Ask::Welcomed(welcome) => {
                let at = welcome.at;
                let other = welcome.wanted == Wanted::All;
                self.write(move |tx| state::welcomed(tx, &welcome)).await?;
                self.note_hub_time(at).await?;
                Ok(if other {
                    Answer::Woken(Lane::ALL.to_vec())
                } else {
                    Answer::Done
                })
            }
            Ask::HubHolds(holds) => {
                self.write(move |tx| queue::requeue(tx, &holds)).await?;
                Ok(Answer::Requeued)
            }
            Ask::HubSketch { sketch, told } => {
                let own = self.device();
                let outcome = self
                    .write(move |tx| {
                        let believed = ranges::believed(tx.sql, own)?;
                        let understood = sketch.resolve(&believed, &told);
                        if let Ok(holds) = &understood {
                            queue::requeue(tx, holds)?;
                        }
                        Ok::<_, StoreError>(understood)
                    })
                    .await?;
                Ok(match outcome {
                    Ok(_) => Answer::Requeued,
                    Err(untold) => Answer::Untold(untold),
                })
            }
            Ask::TellHoldings { wanted, lacks } => {
                let own = self.device();
                let told = self.read(move |sql| holdings(sql, own, wanted, lacks)).await?;
                Ok(Answer::Holdings(told))
            }
            Ask::Next {
                lane, after, budget, ..
            } => {
                let own = self.device();
                let next = self
                    .read(move |sql| queue::next(sql, own, lane, after, budget))
                    .await?;
                Ok(Answer::Next(next))
            }
            Ask::TakeFeed { lane, feed } => {
                let taken = self.write(move |tx| take_feed(tx, lane, feed)).await?;
                Ok(Answer::Taken(Box::new(taken)))
            }
            Ask::TakePiece { lane, piece } => self.take_piece(lane, piece).await,
            Ask::ReadBlob { offer, offset } => {
                let bytes = self.read(move |sql| blobs::read(sql, offer.blob, offset)).await?;
                Ok(Answer::BlobBytes { offer, offset, bytes })
            }
            Ask::Acked(ack) => {
                self.write(move |tx| queue::acked(tx, &ack)).await?;
                Ok(Answer::Done)
            }
            Ask::Settled(fingerprint) => {
                let settled = self
                    .write(move |tx| {
                        // A hub that does not feed yet says nothing of what it will.
                        if fingerprint != UNKNOWN_PRINT && hand_back::look_after(tx)? {
                            return Ok::<_, StoreError>(None);
                        }
                        kept::settled(tx.sql)?;
                        let equal = state::settled(tx, fingerprint)?;
                        Ok(Some((equal, blobs::wanted(tx.sql)?)))
                    })
                    .await?;
                let Some((equal, wanted)) = settled else {
                    return Ok(Answer::Woken(Lane::ALL.to_vec()));
                };
                Ok(if equal {
                    Answer::Settled(wanted)
                } else {
                    Answer::Differs(wanted)
                })
            }
            Ask::Prints => {
                let prints = self.read(|sql| repair::prints(sql, None)).await?;
                Ok(Answer::Prints(prints))
            }
            Ask::SendAgain(prints) => {
                self.write(move |tx| repair::from_box(tx, &prints)).await?;
                Ok(Answer::Woken(Lane::ALL.to_vec()))
            }
            Ask::Pack {
                lane,
                message,
                more,
                learned,
            } => self.pack(None, lane, message, more, learned).await,
            Ask::Unpack { lane, bytes, learned } => self.unpack(None, lane, bytes, learned).await,
            Ask::TellInFull => Ok(self.tell_in_full(None)),
            Ask::Greet(_)
            | Ask::TakeBatch { .. }
            | Ask::TakeAudit { .. }
            | Ask::TakeOffer { .. }
            | Ask::TakeFacts { .. }
            | Ask::TakeBack { .. }
            | Ask::OwnHoldings
            | Ask::Fingerprint => Err(StoreError::Unreadable("question: it is for a hub")),
        }
    }

    /// Takes bytes of a blob; on a full disk the blob waits, the lane goes on.
    pub(crate) async fn take_piece(&self, lane: Lane, piece: BlobPiece) -> Result<Answer, StoreError> {
        let blob = piece.offer.blob;
        let hub = self.side() == crate::Side::Hub;
        let outcome = self
            .write(move |tx| -> Result<_, StoreError> {
                let (have, new) = blobs::take(tx, lane, &piece)?;
                if new && hub {
                    super::feeds::spread_blob(tx, blob, piece.offer.doc, lane)?;
                }
                Ok((have, new))
            })
            .await;
        let (have, new) = match outcome {
            Ok(outcome) => outcome,
            Err(StoreError::DiskFull) => (
                BlobHave {
                    blob,
                    have: 0,
                    state: BlobState::NotNow,
                },
                false,
            ),
            Err(other) => return Err(other),
        };
        let mut taken = Taken::nothing(lane);
        taken.ack.blobs.push(have);
        taken.new_blob = new.then_some(blob);
        Ok(Answer::Taken(Box::new(taken)))
    }
}

/// What the box tells of its holdings: of its own sessions, or of all where the hub's feed is another. With `lacks`
/// the own ones are told by what is missing of them.
fn holdings(sql: &Connection, own: DeviceId, wanted: Wanted, lacks: bool) -> Result<Told, StoreError> {
    let mut told = Told {
        holds: Holds {
            hands_back: queue::facts_waiting(sql)?,
            ..Holds::default()
        },
        lacks: None,
    };
    if wanted == Wanted::All {
        told.holds.feeds_from = hand_back::found(sql)?;
    }
    let all = wanted == Wanted::All && told.holds.feeds_from.is_none();
    if lacks {
        told.lacks = Some(ranges::acked(sql, own)?.without(&ranges::told(sql, Some(own))?));
    }
    // Where both went on alike until a place, nothing before it need be told.
    if all || (told.holds.feeds_from.is_none() && !lacks) {
        let of = (!all).then_some(own);
        told.holds.changes = ranges::told(sql, of)?;
        told.holds.prints = ranges::prints(sql, of)?;
        if lacks {
            told.holds.changes.0.retain(|actor, _| actor.device != own);
            told.holds.prints.retain(|actor, _| actor.device != own);
        }
    }
    Ok(told)
}

fn take_feed(tx: &mut Tx<'_>, lane: Lane, feed: FeedBatch) -> Result<Taken, StoreError> {
    if state::feed_ends(tx.sql)?[lane.index()].position != feed.after {
        return Err(StoreError::Unreadable("feed: it does not go on where it stopped"));
    }
    take_stretch(tx, lane, feed)
}

/// Takes a stretch of a feed, wherever it stands: what is held is known by itself. The feed's end moves where the
/// stretch goes on from it or from before it.
pub(crate) fn take_stretch(tx: &mut Tx<'_>, lane: Lane, feed: FeedBatch) -> Result<Taken, StoreError> {
    let mut taken = Taken::nothing(lane);
    let own_end = state::feed_ends(tx.sql)?[lane.index()];
    let joins = feed.after <= own_end.position
        && feed.end.position > own_end.position
        && (own_end.position == 0 || state::epoch(tx.sql)? == Some(feed.epoch));
    hand_back::note(tx, lane, &feed, joins)?;
    for (place, item) in feed.items {
        match item {
            FeedItem::Change(change) if purge::is_purged(tx.sql, change.doc)? => {
                purge::void(tx, change.position, change.doc, &change_hash(&change.bytes))?;
            }
            FeedItem::Change(change) => {
                let foreign = Foreign {
                    position: change.position,
                    doc: change.doc,
                    lane,
                    bytes: &change.bytes,
                };
                let mut outcome = ingest(tx, &foreign, &|_, _, _| Ok(()))?;
                if outcome == Ingested::Spoiled
                    && again::give_way(tx, change.position, change.doc, &change.bytes)?
                {
                    outcome = ingest(tx, &foreign, &|_, _, _| Ok(()))?;
                }
                let hash = change_hash(&change.bytes);
                match outcome {
                    Ingested::Stored(stored) => {
                        taken.new_changes += 1;
                        purge::is_back(tx, change.position)?;
                        if successions::is_own(tx, change.position.actor.device)? {
                            tx.sql
                                .prepare_cached("INSERT INTO link_came(k) VALUES(?1) ON CONFLICT DO NOTHING")?
                                .execute([stored.k])?;
                            parked::came_back(tx, change.position, &hash)?;
                        }
                    }
                    Ingested::Known | Ingested::Waiting | Ingested::Parked(_) => {}
                    Ingested::Spoiled => {
                        tracing::error!("another change than the hub's stands at its position here");
                        continue;
                    }
                    Ingested::NotNow => {
                        return Err(StoreError::Unreadable("feed: too much waits for its past"));
                    }
                }
                let actor = change.position.actor;
                let s = log::session_row(tx, actor)?;
                ranges::hold(tx.sql, s, change.position.seq, &hash)?;
                if successions::is_own(tx, actor.device)? {
                    let seq = change.position.seq;
                    ranges::add_acked(
                        tx.sql,
                        actor.session,
                        &sync_core::wire::RangeSet::from_range(seq, seq),
                    )?;
                }
            }
            FeedItem::Fact(fact) => {
                if !facts::apply(tx, &fact, joins.then_some((lane, place)))? {
                    tracing::warn!(n = fact.n, "a fact of the hub does not fit and is not applied");
                }
            }
            FeedItem::Blob(offer) => {
                if joins {
                    blobs::note_place(tx, offer.blob, lane, place)?;
                }
                taken.ack.blobs.push(blobs::wish(tx, lane, &offer)?);
            }
        }
    }
    if joins {
        state::set_feed_end(tx.sql, lane, feed.end)?;
    }
    Ok(taken)
}
