//! Enrolment: a box with a one-time token becomes a box of its clinic.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use store::{Cause, Enrolment, Store, StoreError, Taken};
use sync_core::identity::DevicePublicKey;
use sync_core::wire::{
    EnrolAnswer, EnrolRefusal, EnrolRequest, Enrolled, Frame, FrameReader, MAX_FRAME, SuccessionRequest,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::cable::Cable;
use crate::dial::{HubAddress, Limits, LinkError, Meter, dial};
use crate::hub_ca::{HubCa, county_of};
use crate::share;
use crate::tls::{Trust, client_config};
use crate::token::Token;

/// How long question and answer may take, each.
pub(crate) const ENROL_LIMIT: Duration = Duration::from_secs(25);

/// The box was not taken in. Nothing was changed on it.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The address is none.
    #[error(transparent)]
    BadAddress(#[from] crate::dial::BadAddress),
    /// The text is no token.
    #[error(transparent)]
    BadToken(#[from] crate::token::BadToken),
    /// The given CA certificate is none, or not the one that the token names.
    #[error("the CA certificate is not the one that the token names")]
    WrongCa,
    /// Something else answered than the hub that the token names.
    #[error("something else answered than the hub of this token")]
    NotThisHub,
    /// The hub was not reached.
    #[error(transparent)]
    Unreached(LinkError),
    /// No such token was given out.
    #[error("the hub does not know this token")]
    WrongToken,
    /// Another box used the token.
    #[error("the token was used by another box")]
    UsedToken,
    /// The token was given out too long ago.
    #[error("the token has expired")]
    ExpiredToken,
    /// The token is for another clinic than the one that this box belongs to.
    #[error("the token is for another clinic than this box's")]
    OtherClinic,
    /// Only a box that joined can have its key changed.
    #[error("this box has not joined a hub")]
    NotJoined,
    /// The hub refused for another reason.
    #[error("the hub refused: {0:?}")]
    Refused(EnrolRefusal),
    /// The box's store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Asks the hub to take this box in, and keeps what it answers. `hub_ca` is the county's certificate (PEM) where
/// the person has it; the token's pin must name the same.
///
/// # Errors
/// Each refusal has a variant of its own; nothing was changed on the box.
pub async fn join(
    store: &Store,
    hub_url: &str,
    token: &str,
    hub_ca: Option<&str>,
    box_name: &str,
    cable: &Cable,
) -> Result<Enrolment, EnrolError> {
    let address = HubAddress::parse(hub_url)?;
    let token = Token::parse(token)?;
    let county = token.county;
    if let Some(pem) = hub_ca {
        let given = CertificateDer::from_pem_slice(pem.as_bytes()).ok();
        if given.and_then(|root| county_of(&root)) != Some(token.county) {
            return Err(EnrolError::WrongCa);
        }
    }
    let clinic = store.clinic().await?;
    let request = EnrolRequest::sign(store.device_key(), store.actor(), token.secret, clinic, box_name);
    let (enrolment, epoch) = asked(store, &address, hub_url, county, &Frame::Enrol(request), cable).await?;
    store.keep_enrolment(enrolment.clone(), epoch).await?;
    Ok(enrolment)
}

/// Gives this box a new key: the old one vouches for it at the hub, which takes it without a token. What waits, also
/// under the old key, goes to the hub under the new one. The new key counts from the next start of the program on.
///
/// # Errors
/// Each refusal has a variant of its own; the box goes on under its old key and may ask again.
pub async fn change_key(store: &Store, box_name: &str, cable: &Cable) -> Result<Enrolment, EnrolError> {
    let before = store.enrolment().await?.ok_or(EnrolError::NotJoined)?;
    let address = HubAddress::parse(&before.hub_url)?;
    let next = store.next_key().await?;
    let request = SuccessionRequest::sign(
        store.device_key(),
        &next,
        store.session(),
        &before.county,
        Some(before.clinic.clone()),
        box_name,
    );
    let question = Frame::Succeed(request);
    let (enrolment, epoch) = asked(store, &address, &before.hub_url, before.county, &question, cable).await?;
    store.keep_succession(&next, enrolment.clone(), epoch).await?;
    Ok(enrolment)
}

/// Asks a hub to take a device in; gives what it answers and the hub's epoch.
async fn asked(
    store: &Store,
    address: &HubAddress,
    hub_url: &str,
    county: [u8; 32],
    question: &Frame,
    cable: &Cable,
) -> Result<(Enrolment, u32), EnrolError> {
    let meter = Meter::default();
    let answer = ask(address, county, question, cable, &meter).await;
    store.note_spent(meter.up(), meter.down()).await?;
    let enrolled = match answer? {
        EnrolAnswer::Enrolled(enrolled) => enrolled,
        EnrolAnswer::Refused(refusal) => return Err(refused(refusal)),
    };
    if county_of(&CertificateDer::from(enrolled.ca.clone())) != Some(county) {
        return Err(EnrolError::NotThisHub);
    }
    let epoch = enrolled.epoch;
    let enrolment = Enrolment {
        hub_url: hub_url.trim().to_owned(),
        clinic: enrolled.clinic,
        clinic_name: enrolled.clinic_name,
        county,
        hub_key: enrolled.hub_key,
        ca: enrolled.ca,
        certificate: enrolled.certificate,
    };
    enrolment.hub()?;
    Ok((enrolment, epoch))
}

async fn ask(
    address: &HubAddress,
    county: [u8; 32],
    question: &Frame,
    cable: &Cable,
    meter: &Meter,
) -> Result<EnrolAnswer, EnrolError> {
    let config = client_config(Trust::County(county), None)
        .map(Arc::new)
        .map_err(|error| EnrolError::Unreached(LinkError::by(Cause::Malformed, error)))?;
    let mut stream = dial(address, config, cable, meter, Limits::default())
        .await
        .map_err(unreached)?;
    let exchange = async {
        stream.write_all(&question.encode()).await?;
        stream.flush().await?;
        read_frame(&mut stream).await
    };
    let frame = tokio::select! {
        biased;
        () = cable.until_cut() => return Err(EnrolError::Unreached(LinkError::new(Cause::Cut))),
        frame = timeout(ENROL_LIMIT, exchange) => frame,
    };
    match frame {
        Ok(Ok(Frame::EnrolAnswer(answer))) => Ok(answer),
        Ok(Ok(_)) => Err(EnrolError::Unreached(LinkError::new(Cause::Malformed))),
        Ok(Err(error)) => Err(EnrolError::Unreached(LinkError::by(Cause::Cut, error))),
        Err(_) => Err(EnrolError::Unreached(LinkError::new(Cause::Silent))),
    }
}

fn unreached(error: LinkError) -> EnrolError {
    if error.cause == Cause::LoginPage {
        EnrolError::NotThisHub
    } else {
        EnrolError::Unreached(error)
    }
}

fn refused(refusal: EnrolRefusal) -> EnrolError {
    match refusal {
        EnrolRefusal::WrongToken => EnrolError::WrongToken,
        EnrolRefusal::UsedToken => EnrolError::UsedToken,
        EnrolRefusal::ExpiredToken => EnrolError::ExpiredToken,
        EnrolRefusal::OtherClinic => EnrolError::OtherClinic,
        EnrolRefusal::BadProof | EnrolRefusal::Revoked | EnrolRefusal::HubFault => {
            EnrolError::Refused(refusal)
        }
    }
}

/// Reads one frame; bytes behind it are not looked at.
pub(crate) async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Frame> {
    let invalid = |error| std::io::Error::new(std::io::ErrorKind::InvalidData, error);
    let (mut reader, mut buffer, mut total) = (FrameReader::default(), vec![0; 4096], 0);
    loop {
        if let Some(frame) = reader.next_frame().map_err(invalid)? {
            return Ok(frame);
        }
        let count = stream.read(&mut buffer).await?;
        total += count;
        if count == 0 || total > 2 * MAX_FRAME {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        reader.push(&buffer[..count]);
    }
}

/// The hub's end: what a client without a certificate may ask.
pub(crate) async fn serve_enrolment(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    store: &Store,
    ca: &HubCa,
) -> std::io::Result<()> {
    let Ok(frame) = timeout(ENROL_LIMIT, read_frame(stream)).await else {
        return Ok(());
    };
    let (outcome, device) = match frame? {
        Frame::Enrol(request) => (take_in(store, ca, &request).await, request.actor.device),
        Frame::Succeed(request) => (take_over(store, ca, &request).await, request.request.actor.device),
        Frame::Knock(knock) => return share::serve(stream, store, ca.county(), knock).await,
        _ => return Ok(()),
    };
    let answer = match outcome {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(%error, "a box could not be taken in");
            EnrolAnswer::Refused(EnrolRefusal::HubFault)
        }
    };
    if let EnrolAnswer::Refused(refusal) = &answer {
        tracing::info!(%device, ?refusal, "a box was not taken in");
    }
    let say = async {
        stream.write_all(&Frame::EnrolAnswer(answer).encode()).await?;
        stream.flush().await?;
        stream.shutdown().await
    };
    timeout(ENROL_LIMIT, say).await.unwrap_or(Ok(()))
}

/// Taking a box in failed at the hub.
#[derive(Debug, thiserror::Error)]
enum TakeInFault {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Certificate(#[from] crate::certificate_files::CaFault),
}

async fn take_in(store: &Store, ca: &HubCa, request: &EnrolRequest) -> Result<EnrolAnswer, TakeInFault> {
    let Ok(key) = request.verify() else {
        return Ok(EnrolAnswer::Refused(EnrolRefusal::BadProof));
    };
    let taken = match store.enrol_device(request, key).await? {
        Ok(taken) => taken,
        Err(refusal) => return Ok(EnrolAnswer::Refused(refusal)),
    };
    tracing::info!(device = %key.device(), clinic = %taken.clinic, "a box was taken in");
    vouched(store, ca, key, taken).await
}

async fn take_over(
    store: &Store,
    ca: &HubCa,
    request: &SuccessionRequest,
) -> Result<EnrolAnswer, TakeInFault> {
    let Ok(key) = request.request.verify() else {
        return Ok(EnrolAnswer::Refused(EnrolRefusal::BadProof));
    };
    let taken = match store.succeed_device(request).await? {
        Ok(taken) => taken,
        Err(refusal) => return Ok(EnrolAnswer::Refused(refusal)),
    };
    tracing::info!(device = %key.device(), clinic = %taken.clinic, "a box has a new key");
    vouched(store, ca, key, taken).await
}

/// The answer to a box that was taken in, with its certificate.
async fn vouched(
    store: &Store,
    ca: &HubCa,
    key: DevicePublicKey,
    taken: Taken,
) -> Result<EnrolAnswer, TakeInFault> {
    let before = store.predecessors(key.device()).await?;
    let certificate = ca.issue_box(&key, &taken.clinic, &before, taken.at)?;
    Ok(EnrolAnswer::Enrolled(Enrolled {
        clinic: taken.clinic,
        clinic_name: taken.clinic_name,
        epoch: taken.epoch,
        at: taken.at,
        hub_key: store.device_key().public().to_bytes(),
        ca: ca.der().to_vec(),
        certificate,
    }))
}
