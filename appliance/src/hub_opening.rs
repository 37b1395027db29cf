//! The open box's part in being opened by its hub: it leaves for the locked box which hub to ask, gives the hub a share to
//! keep, and lets the share open the data once the hub has it. A box that hears that it was revoked asks its hub for a word
//! of its own, on which the opener acts.

use std::time::Duration;

use card::share::HubShare;
use card::vestibule::HubPapers;
use serde_json::Value;
use store::{Cause, Enrolment, Store, StoreError};
use sync_core::backoff::Backoff;
use sync_core::wire::{Share, ShareWhy};
use tokio::time::{Instant, sleep, timeout};
use zeroize::Zeroizing;

use crate::opener::asking::{AskFault, Said, ask_hub};
use crate::opener::client::{Door, NoAnswer};
use crate::opener::protocol::{Answer, Request, Standing};
use crate::state::AppState;

/// Setting that keeps the share among the data: a hub that lost it is told it again.
const SHARE_SETTING: &str = "hub_share";
/// How often the hub is told again what it should have.
const TELL_EVERY: Duration = Duration::from_secs(6 * 3600);
/// The longest time between two looks, also where the store tells of nothing.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The shortest time between two looks.
const LOOK_GAP: Duration = Duration::from_secs(1);

/// Why the hub cannot open the data yet.
#[derive(Debug, thiserror::Error)]
enum GiveFault {
    #[error(transparent)]
    Hub(#[from] link::share::ShareError),
    #[error("the hub keeps no share of this box: {0:?}")]
    Refused(ShareWhy),
    #[error(transparent)]
    Ask(#[from] AskFault),
    #[error(transparent)]
    Door(#[from] NoAnswer),
    #[error("the opener refused")]
    Opener,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sees to it for as long as the box is open.
pub(crate) async fn follow(state: AppState) {
    let Some(door) = state.door() else { return };
    let (mut events, mut backoff) = (state.store.changes(), Backoff::default());
    let mut told: Option<(Enrolment, Instant)> = None;
    loop {
        let wait = match look(&state, &door, &mut told).await {
            Ok(()) => {
                backoff = Backoff::default();
                LOOK_GAP
            }
            Err(fault) => {
                let wait = backoff.failed(rand::random());
                tracing::warn!(%fault, wait_ms = wait.as_millis() as u64, "the hub cannot open this box yet");
                wait
            }
        };
        sleep(wait).await;
        // Whatever happened is a reason to look; that much of it was missed is one, too.
        let _ = timeout(LOOK_EVERY, events.recv()).await;
        events = events.resubscribe();
    }
}

/// Looks whether anything is to be done, and does it.
async fn look(
    state: &AppState,
    door: &Door,
    told: &mut Option<(Enrolment, Instant)>,
) -> Result<(), GiveFault> {
    let Some(enrolment) = state.store.enrolment().await? else {
        return Ok(());
    };
    if state.store.link_status().await?.cause == Some(Cause::Revoked) {
        return hear_out(state, door, &enrolment).await;
    }
    let is_told = told
        .as_ref()
        .is_some_and(|(known, at)| *known == enrolment && at.elapsed() < TELL_EVERY);
    if is_told {
        return Ok(());
    }
    leave(state, door, &enrolment).await?;
    let standing = standing(door).await?;
    if standing.by_hub {
        if !standing.has_pin {
            return Ok(());
        }
        give(state, door).await?;
    }
    *told = Some((enrolment, Instant::now()));
    Ok(())
}

async fn standing(door: &Door) -> Result<Standing, GiveFault> {
    match door.ask(Request::State).await? {
        Answer::State { standing } => Ok(standing),
        _ => Err(GiveFault::Opener),
    }
}

/// Leaves for the locked box whom it asks.
async fn leave(state: &AppState, door: &Door, enrolment: &Enrolment) -> Result<(), GiveFault> {
    let hub = HubPapers {
        url: state.link.url().unwrap_or_else(|| enrolment.hub_url.clone()),
        county: enrolment.county,
        hub: enrolment.hub_key,
        device: state.store.device().0,
    };
    match door.ask(Request::LeaveHub { hub }).await? {
        Answer::Done => Ok(()),
        _ => Err(GiveFault::Opener),
    }
}

/// Gives the hub the share, and only once it is kept lets it open the data.
async fn give(state: &AppState, door: &Door) -> Result<(), GiveFault> {
    let Answer::OpeningKey { key } = door.ask(Request::OpeningKey).await? else {
        return Err(GiveFault::Opener);
    };
    let (share, url) = (own_share(&state.store).await?, state.link.url());
    let refused = link::share::give(
        &state.store,
        url.as_deref(),
        key,
        Share(*share.bytes()),
        state.link.cable(),
    )
    .await?;
    if let Some(why) = refused {
        return Err(GiveFault::Refused(why));
    }
    let share = share.to_hex();
    match door.ask(Request::SetShare { share }).await? {
        Answer::Done => Ok(()),
        _ => Err(GiveFault::Opener),
    }
}

/// The share of this box; drawn where there is none.
async fn own_share(store: &Store) -> Result<HubShare, StoreError> {
    let kept = store.setting(SHARE_SETTING).await?;
    let kept = kept.as_ref().and_then(Value::as_str);
    if let Some(share) = kept.and_then(HubShare::from_hex) {
        return Ok(share);
    }
    let mut bytes = Zeroizing::new([0; card::share::SHARE_LEN]);
    store.fill_random(&mut *bytes);
    let share = HubShare::new(bytes);
    let text = Value::from(share.to_hex().as_str());
    store.put_setting(SHARE_SETTING, &text).await?;
    Ok(share)
}

/// The link says that the hub revoked this box. What counts is the hub's own word to the opener.
async fn hear_out(state: &AppState, door: &Door, enrolment: &Enrolment) -> Result<(), GiveFault> {
    leave(state, door, enrolment).await?;
    match ask_hub(door, state.link.cable()).await? {
        Said::Revoked => tracing::warn!("the county revoked this box: it closes its data"),
        said => tracing::warn!(
            ?said,
            "the link was told of a revocation that the hub does not confirm"
        ),
    }
    Ok(())
}
