//! A locked box asks its hub again and again to open the data. The start PIN opens them meanwhile as ever.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use link::Cable;
use maud::{Markup, html};
use sync_core::backoff::Backoff;
use sync_core::wire::ShareWhy;
use tokio::time::sleep;
use web::texts::Lang;

use crate::opener::asking::{AskFault, Said, ask_hub};
use crate::opener::client::Door;
use crate::opener::protocol::{Answer, Request};

/// Seconds between two looks of a page at how the asking stands.
const LOOK_SECONDS: u64 = 3;
/// The part of the page.
const PART: &str = "hub";
/// The shortest wait after an answer: the next one will hardly be another.
const AFTER_ANSWER: Duration = Duration::from_secs(60);

/// How the last try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The hub was not reached, or did not answer.
    Unreached,
    /// The hub is of a release that does not know the question.
    OldHub,
    /// It refused.
    Refused(ShareWhy),
    /// What it gave does not open the data.
    WrongShare,
    /// The open box had joined no hub.
    NoHub,
    /// The opener failed; the log has it.
    Fault,
}

/// How the asking stands, for the pages. A cheap clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Asking(Arc<Mutex<Option<(Instant, Ended)>>>);

impl Asking {
    fn note(&self, ended: Ended) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), ended));
    }

    fn last(&self) -> Option<(Instant, Ended)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it stands, in a part of the page that looks again by itself.
    pub(super) fn part(&self, lang: Lang) -> Markup {
        html! {
            section #(PART) hx-get="/" hx-trigger={ "every " (LOOK_SECONDS) "s" } hx-select={ "#" (PART) } hx-swap="outerHTML" hx-sync="this:replace" {
                h2 { (lang.t("locked-hub-asking")) }
                p { (lang.t("locked-hub-about")) }
                @match self.last() {
                    None => p.quiet { (lang.t("locked-hub-first")) },
                    Some((at, ended)) => p {
                        (lang.t_with("locked-hub-last", &[("n", &at.elapsed().as_secs().to_string())])) " " (lang.t(words(ended)))
                    }
                }
            }
        }
    }
}

fn words(ended: Ended) -> &'static str {
    match ended {
        Ended::Unreached => "locked-hub-unreached",
        Ended::OldHub => "locked-hub-old",
        Ended::WrongShare | Ended::Refused(ShareWhy::NotKept) => "locked-hub-no-share",
        Ended::Refused(ShareWhy::Unknown | ShareWhy::Succeeded) => "locked-hub-unknown",
        Ended::Refused(ShareWhy::BadProof) => "locked-hub-bad-proof",
        Ended::Refused(ShareWhy::TooOften) => "locked-hub-too-often",
        Ended::Refused(ShareWhy::NotYet) => "locked-hub-not-yet",
        Ended::Refused(ShareWhy::Revoked | ShareWhy::HubFault | ShareWhy::Other(_)) => "locked-hub-refused",
        Ended::NoHub => "locked-hub-none",
        Ended::Fault => "locked-hub-fault",
    }
}

/// Asks until the data are open or the county revoked this box.
pub(super) async fn follow(door: Door, asking: Asking) {
    let (mut backoff, cable) = (Backoff::default(), Cable::default());
    while is_closed(&door).await {
        let ended = match ask_hub(&door, &cable).await {
            Ok(Said::Opened) => {
                tracing::info!("the county's hub opened the data");
                return;
            }
            Ok(Said::Revoked) => return,
            ended => ended_of(ended),
        };
        asking.note(ended);
        if ended == Ended::NoHub {
            return;
        }
        let has_answered = matches!(ended, Ended::Refused(_) | Ended::WrongShare);
        let wait = backoff.failed(rand::random());
        let wait = if has_answered {
            wait.max(AFTER_ANSWER)
        } else {
            wait
        };
        tracing::info!(
            ?ended,
            wait_ms = wait.as_millis() as u64,
            "the hub did not open the data yet"
        );
        sleep(wait).await;
    }
}

fn ended_of(tried: Result<Said, AskFault>) -> Ended {
    use link::share::ShareError;
    match tried {
        Ok(Said::Refused(why)) => Ended::Refused(why),
        Ok(Said::WrongShare) => Ended::WrongShare,
        Ok(Said::NotBelieved | Said::Opened | Said::Revoked) => Ended::Unreached,
        Err(AskFault::NoHub) => Ended::NoHub,
        Err(AskFault::Hub(ShareError::OldHub)) => Ended::OldHub,
        Err(AskFault::Hub(error)) => {
            tracing::debug!(%error, "the hub was not asked");
            Ended::Unreached
        }
        Err(fault) => {
            tracing::warn!(%fault, "the hub was not asked");
            Ended::Fault
        }
    }
}

/// Whether there is anything to ask for.
async fn is_closed(door: &Door) -> bool {
    match door.ask(Request::State).await {
        Ok(Answer::State { standing }) => !standing.is_open && !standing.is_revoked,
        // The next question will tell.
        Ok(_) | Err(_) => true,
    }
}
