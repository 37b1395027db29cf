//! One address before several machines: a TCP forwarder that gives each new connection to the next of them that answers.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Bytes that one read takes.
const CHUNK: usize = 4 * 1024;

struct Shared {
    machines: Mutex<Vec<SocketAddr>>,
    /// Bytes that went to any machine.
    carried: AtomicU64,
}

/// The address.
pub struct OneAddress {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl OneAddress {
    /// An address before these machines; the first connection goes to the first.
    pub fn before(machines: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            machines: Mutex::new(machines),
            carried: AtomicU64::new(0),
        });
        let seen = Arc::clone(&shared);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&seen);
                std::thread::spawn(move || forward(&near, &shared));
            }
        });
        Self { address, shared }
    }

    /// As `--hub` takes it.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Bytes that went to the machines since the start.
    pub fn carried(&self) -> u64 {
        self.shared.carried.load(Ordering::SeqCst)
    }

    /// Puts other machines behind the address; connections that are open stay.
    pub fn stands_before(&self, machines: Vec<SocketAddr>) {
        *self.shared.machines.lock().unwrap() = machines;
    }
}

/// The next machine that takes a connection, by turns.
fn next(shared: &Shared) -> Option<TcpStream> {
    let turns = shared.machines.lock().unwrap().len();
    for _ in 0..turns {
        let machine = {
            let mut machines = shared.machines.lock().unwrap();
            machines.rotate_left(1);
            *machines.last()?
        };
        if let Ok(far) = TcpStream::connect(machine) {
            return Some(far);
        }
    }
    None
}

fn forward(near: &TcpStream, shared: &Shared) {
    let Some(far) = next(shared) else { return };
    std::thread::scope(|scope| {
        scope.spawn(|| copy(near, &far, Some(&shared.carried)));
        copy(&far, near, None);
    });
}

fn copy(mut from: &TcpStream, mut to: &TcpStream, carried: Option<&AtomicU64>) {
    let mut bytes = [0; CHUNK];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
        if let Some(carried) = carried {
            carried.fetch_add(count as u64, Ordering::SeqCst);
        }
    }
    // Either end may be gone already.
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
