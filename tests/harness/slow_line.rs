//! A line between a browser and a program on which a chosen answer comes late: it is held until the test lets it go.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::programs::PATIENCE;

/// Bytes that one read takes over the line.
const CHUNK: usize = 16 * 1024;

/// What is under way with the answer that comes late.
#[derive(Debug, Default, PartialEq, Eq)]
enum Late {
    /// None is to come late.
    #[default]
    Nothing,
    /// The answer to the next request of a script for an address that begins so.
    Next(String),
    /// It was asked for.
    Asked,
    /// It has come as far as this line.
    Held,
}

#[derive(Default)]
struct Shared {
    late: Mutex<Late>,
    news: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Late> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, late: Late) {
        *self.lock() = late;
        self.news.notify_all();
    }

    /// Waits for a state of the answer.
    #[track_caller]
    fn wait(&self, what: &str, is: impl Fn(&Late) -> bool) {
        let (_late, waited) = self
            .news
            .wait_timeout_while(self.lock(), PATIENCE, |late| !is(late))
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "waited in vain: {what}");
    }
}

/// The line.
pub struct SlowLine {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl SlowLine {
    /// A line to the pages at this address (`http://HOST:PORT/`).
    pub fn to(pages: &str) -> Self {
        let far_end: SocketAddr = pages
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .parse()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let carrying = Arc::clone(&shared);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(far_end) else {
                    continue;
                };
                carry(near, far, &carrying);
            }
        });
        Self { address, shared }
    }

    /// The pages at this end.
    pub fn pages(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The answer to the next request of a script for an address that begins so is held.
    pub fn hold_next(&self, address: &str) {
        self.shared.set(Late::Next(address.to_owned()));
    }

    /// Waits until the held answer has come as far as this line.
    #[track_caller]
    pub fn wait_held(&self) {
        self.shared
            .wait("the answer that comes late", |late| *late == Late::Held);
    }

    /// Lets the held answer go on.
    pub fn release(&self) {
        self.shared.set(Late::Nothing);
    }
}

fn carry(near: TcpStream, far: TcpStream, shared: &Arc<Shared>) {
    // Whether the next answer on this connection is the late one: a browser asks on it again only after an answer.
    let is_next = Arc::new(AtomicBool::new(false));
    let (from, to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    let (asking, noting) = (Arc::clone(shared), Arc::clone(&is_next));
    std::thread::spawn(move || {
        pass_on(from, to, |bytes| {
            let mut late = asking.lock();
            if let Late::Next(address) = &*late
                && is_asked_by_script(bytes, address)
            {
                *late = Late::Asked;
                noting.store(true, Ordering::SeqCst);
            }
        });
    });
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        pass_on(far, near, |_| {
            if is_next.swap(false, Ordering::SeqCst) {
                shared.set(Late::Held);
                shared.wait("the late answer is let go", |late| *late != Late::Held);
            }
        });
    });
}

/// Whether a request is one of the page's script for an address that begins so.
fn is_asked_by_script(bytes: &[u8], late: &str) -> bool {
    let head = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    head.starts_with(&format!("get {}", late.to_ascii_lowercase())) && head.contains("\r\nhx-request:")
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut(&[u8])) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(length) = from.read(&mut chunk) {
        if length > 0 {
            look(&chunk[..length]);
        }
        if length == 0 || to.write_all(&chunk[..length]).is_err() {
            break;
        }
    }
    // The other end learns that nothing more comes.
    let _closed = to.shutdown(Shutdown::Write);
}
