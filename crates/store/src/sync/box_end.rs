//! The box's answers to what the exchange asks.

use records::ids::DeviceId;
use sync_core::exchange::{Answer, Ask, Taken, Told};
use sync_core::wire::{
    BlobHave, BlobPiece, BlobState, ChangeItem, FeedBatch, FeedItem, Holds, Lane, RangeSet, Wanted,
    change_hash,
};

use crate::engine::{Store, StoreError, StoreEvent, Tx};
use crate::ingest::{Foreign, Ingested, ingest};
use crate::log;
use crate::sql::Connection;
use crate::sync::recovery::UNKNOWN_PRINT;
use crate::sync::{
    again, blobs, facts, hand_back, kept, panels, parked, purge, queue, ranges, releases, repair, state,
    successions,
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
                let found = self.read(move |sql| blobs::read(sql, offer.blob, offset)).await?;
                let bytes = self.bytes_of(found).await;
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
                        if equal {
                            blobs::forget_wishes(tx.sql)?;
                        }
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
            Ask::Learn { lane, base } => self.learn_ahead(None, lane, base).await,
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
                // A stick may bring the picture of somebody who left.
                if !hub && !blobs::is_wanted(tx.sql, blob)? {
                    return Ok((blobs::have(tx.sql, &piece.offer)?, false));
                }
                let (have, new) = blobs::take(tx, lane, &piece)?;
                if new && releases::is_release(piece.offer.doc) {
                    // Who waits for a whole release looks at once.
                    tx.emit(StoreEvent::SyncState);
                }
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
/// stretch goes on from it or from before it. What lies before the end came already and may have gone since.
pub(crate) fn take_stretch(tx: &mut Tx<'_>, lane: Lane, feed: FeedBatch) -> Result<Taken, StoreError> {
    let mut taken = Taken::nothing(lane);
    let own_end = state::feed_ends(tx.sql)?[lane.index()].position;
    let epoch = state::epoch(tx.sql)?;
    let same_feed = epoch == Some(feed.epoch);
    let behind = if same_feed { own_end } else { 0 };
    if feed.end.position <= behind {
        return Ok(taken);
    }
    let joins = feed.after <= own_end && feed.end.position > own_end && (own_end == 0 || same_feed);
    let before_restore = !joins && epoch.is_some_and(|epoch| feed.epoch < epoch);
    let relay = hand_back::note(tx, lane, &feed, joins, before_restore)?;
    for (place, item) in feed.items.into_iter().filter(|(place, _)| *place > behind) {
        match item {
            FeedItem::Change(change) => take_fed(tx, lane, &change, &mut taken)?,
            FeedItem::Fact(fact) => {
                if !facts::apply(tx, &fact, joins.then_some((lane, place)))? {
                    tracing::warn!(n = fact.n, "a fact of the hub does not fit and is not applied");
                }
            }
            FeedItem::Blob(offer) => {
                if joins {
                    blobs::note_place(tx, offer.blob, lane, place)?;
                }
                if !panels::is_away(tx.sql, offer.doc)? {
                    taken.ack.blobs.push(blobs::wish(tx, lane, &offer)?);
                }
            }
        }
    }
    panels::put_away(tx)?;
    // The hub went back after it wrote this: it may stand here only.
    if before_restore
        && taken.new_changes > 0
        && let Some(r) = relay
    {
        queue::add_relay(tx, r)?;
    }
    if joins {
        state::set_feed_end(tx.sql, lane, feed.end)?;
    }
    Ok(taken)
}

/// Takes a change of the feed.
fn take_fed(tx: &mut Tx<'_>, lane: Lane, change: &ChangeItem, taken: &mut Taken) -> Result<(), StoreError> {
    let (position, doc) = (change.position, change.doc);
    let hash = change_hash(&change.bytes);
    if purge::is_purged(tx.sql, doc)? {
        return purge::void(tx, position, doc, &hash);
    }
    if panels::is_away(tx.sql, doc)? {
        // Nobody here reads it; a hub that goes back gets it again.
        taken.new_changes += u64::from(kept::keep_late(tx, lane, change)?);
        return purge::void(tx, position, doc, &hash);
    }
    let foreign = Foreign {
        position,
        doc,
        lane,
        bytes: &change.bytes,
    };
    let mut outcome = ingest(tx, &foreign, &|_, _, _| Ok(()))?;
    if outcome == Ingested::Spoiled && again::give_way(tx, position, doc, &change.bytes)? {
        outcome = ingest(tx, &foreign, &|_, _, _| Ok(()))?;
    }
    let is_own = successions::is_own(tx, position.actor.device)?;
    match outcome {
        Ingested::Stored(stored) => {
            taken.new_changes += 1;
            purge::is_back(tx, position)?;
            if is_own {
                tx.sql
                    .prepare_cached("INSERT INTO link_came(k) VALUES(?1) ON CONFLICT DO NOTHING")?
                    .execute([stored.k])?;
                parked::came_back(tx, position, &hash)?;
            }
            if let Some(patient) = stored.patient {
                panels::came(tx, doc, &stored.owner, patient)?;
            }
        }
        Ingested::Known | Ingested::Waiting | Ingested::Parked(_) => {}
        Ingested::Spoiled => {
            tracing::error!("another change than the hub's stands at its position here");
            return Ok(());
        }
        Ingested::NotNow => {
            return Err(StoreError::Unreadable("feed: too much waits for its past"));
        }
    }
    let s = log::session_row(tx, position.actor)?;
    ranges::hold(tx.sql, s, position.seq, &hash)?;
    if is_own {
        let one = RangeSet::from_range(position.seq, position.seq);
        ranges::add_acked(tx.sql, position.actor.session, &one)?;
    }
    Ok(())
}
