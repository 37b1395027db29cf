//! Events for pages that are open: one server-sent stream a browser, until the program stops.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::closing::Closing;

/// Time between signs of life: a page that hears nothing for 40 s asks by itself.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// Something that open pages want to know.
pub trait PageEvent: Clone + Send + 'static {
    /// Nothing changed; the program is there.
    const STILL_HERE: Self;

    /// The event as the browser's script takes it: a name and at most an id, never what changed.
    fn sse(&self) -> Event;
}

/// The events as a browser hears them. A browser that lags behind hears the end: it opens the stream again and the
/// page renews everything.
pub fn events<E: PageEvent>(events: Receiver<E>) -> impl Stream<Item = Result<Event, Infallible>> + use<E> {
    let tick = tokio::time::interval(SIGN_OF_LIFE);
    stream::unfold((events, tick), |(mut events, mut tick)| async move {
        let event = tokio::select! {
            event = events.recv() => match event {
                Ok(event) => event.sse(),
                Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
            },
            _ = tick.tick() => E::STILL_HERE.sse(),
        };
        Some((Ok(event), (events, tick)))
    })
}

/// Answers with the stream, which ends when the program stops.
pub fn answer<E: PageEvent>(heard: Receiver<E>, closing: Closing) -> Response {
    let events = events(heard).take_until(async move { closing.closed().await });
    let mut response = Sse::new(events).into_response();
    // A proxy or the gzip layer that waits for more would hold events back.
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
