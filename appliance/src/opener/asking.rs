//! Asking the county's hub for the share of this box: the program carries, the opener asks and judges.

use link::Cable;
use link::share::{self, Hub, ShareError};
use records::ids::DeviceId;
use sync_core::wire::{Meeting, ShareAnswer, ShareAsk, ShareWhy};
use zeroize::Zeroizing;

use super::client::{Door, NoAnswer};
use super::protocol::{Answer, Request};

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// The data are open.
    Opened,
    /// The county revoked this box: its data were left to the county.
    Revoked,
    /// The hub gives no share.
    Refused(ShareWhy),
    /// The hub gave a share that does not open the data.
    WrongShare,
    /// What the hub is said to have answered is not its word.
    NotBelieved,
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum AskFault {
    /// The open box left nobody to ask.
    #[error("the open box did not leave which hub to ask")]
    NoHub,
    /// The hub did not answer.
    #[error(transparent)]
    Hub(#[from] ShareError),
    /// The opener does not answer.
    #[error(transparent)]
    Door(#[from] NoAnswer),
    /// The opener could not do it.
    #[error("the opener: {0}")]
    Opener(String),
}

/// Asks once.
///
/// # Errors
/// [`AskFault`].
pub async fn ask_hub(door: &Door, cable: &Cable) -> Result<Said, AskFault> {
    let Answer::Hub { hub: Some(hub) } = door.ask(Request::Hub).await? else {
        return Err(AskFault::NoHub);
    };
    let hub = Hub {
        url: hub.url,
        county: hub.county,
        device: DeviceId(hub.device),
    };
    let answer = share::ask(&hub, cable, async |meeting| question(door, meeting).await).await?;
    let told = match answer {
        ShareAnswer::Given(share) => Request::HubGave {
            share: Zeroizing::new(hex::encode(share.0)),
        },
        ShareAnswer::Refused(refusal) => Request::HubRefused {
            why: refusal.why.number(),
            signature: refusal.signature,
        },
        ShareAnswer::Kept => return Err(ShareError::OutOfTurn.into()),
    };
    match (door.ask(told).await?, answer) {
        (Answer::Opened, _) => Ok(Said::Opened),
        (Answer::Revoked, _) => Ok(Said::Revoked),
        (Answer::WrongKey, _) => Ok(Said::WrongShare),
        (Answer::NotBelieved, _) => Ok(Said::NotBelieved),
        (Answer::Done, ShareAnswer::Refused(refusal)) => Ok(Said::Refused(refusal.why)),
        (Answer::Failed { why }, _) => Err(AskFault::Opener(why)),
        _ => Err(AskFault::Opener("an answer to another question".to_owned())),
    }
}

/// The question, as the opener makes it for the hub that told this nonce.
async fn question(door: &Door, meeting: Meeting) -> Option<ShareAsk> {
    let request = Request::AskHub { nonce: meeting.nonce };
    match door.ask(request).await.ok()? {
        Answer::Question {
            key,
            nonce,
            signature,
        } => Some(ShareAsk {
            key,
            nonce,
            signature,
        }),
        _ => None,
    }
}
