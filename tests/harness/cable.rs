//! A cable between two programs on this machine: a TCP forwarder that can be cut and put back.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that one read takes over the cable.
const CHUNK: usize = 16 * 1024;

#[derive(Default)]
struct State {
    cut: bool,
    open: Vec<TcpStream>,
}

/// The cable. While it is cut nobody gets through, and what was open is gone.
pub struct Cable {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Cable {
    /// A cable that ends at this address.
    pub fn to(far_end: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                carry(near, far_end, &shared);
            }
        });
        Self { address, state }
    }

    /// The end to plug into.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Pulls it out: open connections end, new ones are refused.
    pub fn cut(&self) {
        let mut state = lock(&self.state);
        state.cut = true;
        for stream in state.open.drain(..) {
            // It may have ended by itself already.
            let _ended = stream.shutdown(Shutdown::Both);
        }
    }

    /// Puts it back.
    pub fn restore(&self) {
        lock(&self.state).cut = false;
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn carry(near: TcpStream, far_end: SocketAddr, state: &Mutex<State>) {
    let mut state = lock(state);
    if state.cut {
        return;
    }
    let Ok(far) = TcpStream::connect(far_end) else {
        return;
    };
    for (from, to) in [(&near, &far), (&far, &near)] {
        let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        std::thread::spawn(move || pass_on(from, to));
    }
    state.open.extend([near, far]);
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(length) = from.read(&mut chunk) {
        if length == 0 || to.write_all(&chunk[..length]).is_err() {
            break;
        }
    }
    // The other end learns that nothing more comes.
    let _closed = to.shutdown(Shutdown::Write);
}
