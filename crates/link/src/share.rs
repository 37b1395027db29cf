//! The hub's share of a box's opening, over a connection without a certificate: an open box gives it, a locked one asks
//! for it. Both ends sign over a nonce of the hub, drawn for this connection.

use std::sync::Arc;

use records::ids::DeviceId;
use rustls::ClientConfig;
use store::{Cause, Store, StoreError};
use sync_core::wire::{
    Frame, Knock, Meeting, NONCE_LEN, Share, ShareAnswer, ShareAsk, ShareGive, ShareRefusal, ShareWhy,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::cable::Cable;
use crate::dial::{BadAddress, HubAddress, Limits, LinkError, Meter, dial};
use crate::enrol::{ENROL_LIMIT, read_frame};
use crate::tls::{Trust, client_config};

/// The hub did not answer about a share.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// The address is none.
    #[error(transparent)]
    BadAddress(#[from] BadAddress),
    /// The hub was not reached.
    #[error(transparent)]
    Unreached(LinkError),
    /// The county's hub ended the conversation at the first word.
    #[error("the hub does not know this question: it is of an older release")]
    OldHub,
    /// Something else was answered than what was asked.
    #[error("the hub answered something else than what was asked")]
    OutOfTurn,
    /// What is to prove this box was not to be had.
    #[error("this box could not prove itself")]
    NoProof,
    /// The box's own store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The box has not joined a hub.
    #[error("this box has not joined a hub")]
    NotJoined,
}

/// Whom a locked box asks, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    /// `https://HOST:PORT`.
    pub url: String,
    /// The county: SHA-256 of the public key of the hub's CA. Nobody else is believed.
    pub county: [u8; 32],
    /// The device that this box is.
    pub device: DeviceId,
}

/// Asks the hub for the share of this box. `prove` makes the question once the hub has told its nonce.
///
/// # Errors
/// [`ShareError`]; a hub that refuses has answered.
pub async fn ask(
    hub: &Hub,
    cable: &Cable,
    prove: impl AsyncFnOnce(Meeting) -> Option<ShareAsk>,
) -> Result<ShareAnswer, ShareError> {
    let (answer, _) = converse(hub, cable, async |meeting| {
        prove(meeting).await.map(Frame::ShareAsk)
    })
    .await?;
    match answer {
        ShareAnswer::Kept => Err(ShareError::OutOfTurn),
        ShareAnswer::Given(_) | ShareAnswer::Refused(_) => Ok(answer),
    }
}

/// Gives the hub of this open box a share to keep; `opening` is the public half of the key by which the box will ask for
/// it. `None` where the hub keeps it, else why not.
///
/// # Errors
/// [`ShareError`].
pub async fn give(
    store: &Store,
    hub_url: Option<&str>,
    opening: [u8; 32],
    share: Share,
    cable: &Cable,
) -> Result<Option<ShareWhy>, ShareError> {
    let enrolment = store.enrolment().await?.ok_or(ShareError::NotJoined)?;
    let hub = Hub {
        url: hub_url.unwrap_or(&enrolment.hub_url).to_owned(),
        county: enrolment.county,
        device: store.device(),
    };
    let key = store.device_key();
    let say = async |meeting| {
        let give = ShareGive::sign(key, &meeting, opening, share);
        Some(Frame::ShareGive(give))
    };
    let (answer, spent) = converse(&hub, cable, say).await?;
    store.note_spent(spent.up(), spent.down()).await?;
    match answer {
        ShareAnswer::Kept => Ok(None),
        ShareAnswer::Refused(refusal) => Ok(Some(refusal.why)),
        ShareAnswer::Given(_) => Err(ShareError::OutOfTurn),
    }
}

async fn converse(
    hub: &Hub,
    cable: &Cable,
    say: impl AsyncFnOnce(Meeting) -> Option<Frame>,
) -> Result<(ShareAnswer, Meter), ShareError> {
    let address = HubAddress::parse(&hub.url)?;
    let config: Arc<ClientConfig> = client_config(Trust::County(hub.county), None)
        .map(Arc::new)
        .map_err(|error| ShareError::Unreached(LinkError::by(Cause::Malformed, error)))?;
    let meter = Meter::default();
    let mut stream = dial(&address, config, cable, &meter, Limits::default())
        .await
        .map_err(ShareError::Unreached)?;
    let exchange = async {
        let knock = Frame::Knock(Knock { device: hub.device });
        // The handshake stands: a hub that now hangs up does not know the word.
        let nonce = match turn(&mut stream, &knock).await {
            Ok(Frame::Nonce(nonce)) => nonce,
            Ok(_) => return Err(ShareError::OutOfTurn),
            Err(_) => return Err(ShareError::OldHub),
        };
        let meeting = Meeting {
            county: hub.county,
            device: hub.device,
            nonce,
        };
        let word = say(meeting).await.ok_or(ShareError::NoProof)?;
        match turn(&mut stream, &word).await {
            Ok(Frame::ShareAnswer(answer)) => Ok(answer),
            Ok(_) => Err(ShareError::OutOfTurn),
            Err(error) => Err(ShareError::Unreached(LinkError::by(Cause::Cut, error))),
        }
    };
    let answer = tokio::select! {
        biased;
        () = cable.until_cut() => Err(ShareError::Unreached(LinkError::new(Cause::Cut))),
        answer = timeout(2 * ENROL_LIMIT, exchange) => {
            answer.unwrap_or_else(|_| Err(ShareError::Unreached(LinkError::new(Cause::Silent))))
        }
    };
    Ok((answer?, meter))
}

/// Says one frame and hears one.
async fn turn(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), frame: &Frame) -> std::io::Result<Frame> {
    tell(stream, frame).await?;
    read_frame(stream).await
}

async fn tell(stream: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> std::io::Result<()> {
    stream.write_all(&frame.encode()).await?;
    stream.flush().await
}

/// The hub's end, after a box knocked.
pub(crate) async fn serve(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    store: &Store,
    county: [u8; 32],
    knock: Knock,
) -> std::io::Result<()> {
    let mut nonce = [0; NONCE_LEN];
    store.fill_random(&mut nonce);
    let meeting = Meeting {
        county,
        device: knock.device,
        nonce,
    };
    let conversation = async {
        let answer = match turn(stream, &Frame::Nonce(nonce)).await? {
            Frame::ShareAsk(ask) => given(store, meeting, ask).await,
            Frame::ShareGive(give) => kept(store, meeting, give).await,
            _ => return Ok(()),
        };
        tell(stream, &Frame::ShareAnswer(answer)).await?;
        stream.shutdown().await
    };
    timeout(ENROL_LIMIT, conversation).await.unwrap_or(Ok(()))
}

async fn given(store: &Store, meeting: Meeting, ask: ShareAsk) -> ShareAnswer {
    let device = meeting.device;
    match store.give_share(meeting, ask).await {
        Ok(Ok(share)) => {
            tracing::info!(%device, "a box was given its share, which opens its data");
            ShareAnswer::Given(share)
        }
        outcome => refused(store, &meeting, &ask.nonce, outcome.map(Result::err)),
    }
}

async fn kept(store: &Store, meeting: Meeting, give: ShareGive) -> ShareAnswer {
    match store.keep_share(meeting, give).await {
        Ok(Ok(())) => ShareAnswer::Kept,
        outcome => refused(store, &meeting, &[0; NONCE_LEN], outcome.map(Result::err)),
    }
}

fn refused(
    store: &Store,
    meeting: &Meeting,
    nonce: &[u8; NONCE_LEN],
    why: Result<Option<ShareWhy>, StoreError>,
) -> ShareAnswer {
    let device = meeting.device;
    let why = match why {
        Ok(why) => why.unwrap_or(ShareWhy::HubFault),
        Err(error) => {
            tracing::error!(%error, "a box could not be answered about its share");
            ShareWhy::HubFault
        }
    };
    tracing::info!(%device, ?why, "a box was refused about its share");
    ShareAnswer::Refused(ShareRefusal::sign(store.device_key(), meeting, nonce, why))
}
