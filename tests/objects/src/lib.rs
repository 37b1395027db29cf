//! An S3 server of the tests' own: moto, from PyPI, in a process that ends with the tests. Each process of tests has its
//! own, with a plain listener and one over TLS. A machine without moto fails the tests; `tests/run` installs it.

#![expect(
    clippy::expect_used,
    reason = "a test whose server does not run fails on the spot"
)]

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

const ABSENT: &str =
    "the tests need moto with its server: tests/run installs it (pip install 'moto[server]')";
/// Names that no other bucket of this process has.
static BUCKETS: AtomicU32 = AtomicU32::new(0);
/// Key and secret that clients sign with; moto looks at the form only.
const KEY: &str = "testing";
const SECRET: &str = "a-secret-of-the-tests";
const REGION: &str = "us-east-1";

/// Serves until its input ends, so that nothing is left behind when the tests die.
const KEEP: &str = r#"
import sys, threading
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
app = DomainDispatcherApplication(create_backend_app)
plain = make_server("127.0.0.1", 0, app, threaded=True)
secure = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=(sys.argv[1], sys.argv[2]))
for server in (plain, secure):
    threading.Thread(target=server.serve_forever, daemon=True).start()
print(plain.port, secure.port, flush=True)
sys.stdin.read()
"#;

struct Server {
    plain: SocketAddr,
    secure: SocketAddr,
    authority: PathBuf,
    _folder: tempfile::TempDir,
    /// Holds the pipe whose end tells the server to stop.
    _process: Child,
}

/// The Python that `tests/run` made for moto, else the machine's.
fn python() -> PathBuf {
    let own = std::env::current_exe().expect("the path of this test");
    own.ancestors()
        .map(|folder| folder.join("moto/bin/python3"))
        .find(|python| python.exists())
        .unwrap_or_else(|| PathBuf::from("python3"))
}

/// A certificate for this machine, and the authority that made it.
fn certify(folder: &Path) -> [PathBuf; 3] {
    let names = ["certificate.pem", "key.pem", "authority.pem"];
    let files = names.map(|name| folder.join(name));
    let authority_key = rcgen::KeyPair::generate().expect("a key");
    let mut authority = rcgen::CertificateParams::new(Vec::new()).expect("no names");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_pem = authority
        .self_signed(&authority_key)
        .expect("a certificate")
        .pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]);
    let leaf = leaf
        .expect("names")
        .signed_by(&key, &issuer)
        .expect("a certificate");
    for (file, pem) in files.iter().zip([leaf.pem(), key.serialize_pem(), authority_pem]) {
        std::fs::write(file, pem).expect("a file");
    }
    files
}

fn start() -> Server {
    let folder = tempfile::tempdir().expect("a folder");
    let [certificate, key, authority] = certify(folder.path());
    let mut process = Command::new(python())
        .args(["-c", KEEP])
        .args([&certificate, &key])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect(ABSENT);
    let mut said = String::new();
    if let Some(out) = process.stdout.take() {
        BufReader::new(out).read_line(&mut said).expect(ABSENT);
    }
    let mut ports = said.split_whitespace().map(|port| port.parse().expect(ABSENT));
    let mut address = || SocketAddr::from(([127, 0, 0, 1], ports.next().expect(ABSENT)));
    Server {
        plain: address(),
        secure: address(),
        authority,
        _folder: folder,
        _process: process,
    }
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start)
}

/// The line to the server, which can be cut.
struct Line {
    cut: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
    /// Bytes that went to the server.
    carried: AtomicU64,
    /// How many may still go before the line is cut by itself.
    left: AtomicU64,
}

impl Line {
    /// A line to this address, and where it begins.
    fn to(far: SocketAddr) -> (Arc<Self>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let near = listener.local_addr().expect("its address");
        let line = Arc::new(Self {
            cut: AtomicBool::new(false),
            open: Mutex::default(),
            carried: AtomicU64::new(0),
            left: AtomicU64::new(u64::MAX),
        });
        let seen = Arc::clone(&line);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let line = Arc::clone(&seen);
                std::thread::spawn(move || line.carry(near, far));
            }
        });
        (line, near)
    }

    fn carry(&self, near: TcpStream, far: SocketAddr) {
        if self.cut.load(Ordering::SeqCst) {
            return;
        }
        let Ok(far) = TcpStream::connect(far) else { return };
        let copies = [near.try_clone(), far.try_clone()];
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(copies.into_iter().flatten());
        std::thread::scope(|scope| {
            scope.spawn(|| self.copy(&near, &far, true));
            self.copy(&far, &near, false);
        });
    }

    fn copy(&self, mut from: &TcpStream, mut to: &TcpStream, counts: bool) {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if counts {
                self.carried.fetch_add(count as u64, Ordering::SeqCst);
                let left = self.left.load(Ordering::SeqCst);
                if left < u64::MAX {
                    let after = left.saturating_sub(count as u64);
                    self.left.store(after, Ordering::SeqCst);
                    if after == 0 {
                        self.cut();
                        break;
                    }
                }
            }
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        // Either end may be gone already.
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }

    fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// A bucket of its own on the server, at the end of a line of its own.
pub struct Bucket {
    name: String,
    line: Arc<Line>,
    near: SocketAddr,
    secure: bool,
}

impl Bucket {
    /// An empty one, reached over plain HTTP.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it starts a server")]
    pub fn new() -> Self {
        Self::at(server().plain, false)
    }

    /// An empty one, reached over TLS.
    #[must_use]
    pub fn secure() -> Self {
        Self::at(server().secure, true)
    }

    fn at(far: SocketAddr, secure: bool) -> Self {
        let name = format!("county-{}", BUCKETS.fetch_add(1, Ordering::SeqCst));
        let mut stream = TcpStream::connect(server().plain).expect("the server is there");
        let asked = format!("PUT /{name} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(asked.as_bytes()).expect("the server listens");
        let mut said = String::new();
        stream.read_to_string(&mut said).expect("the server answers");
        assert!(said.starts_with("HTTP/1.") && said.contains(" 200 "), "{said}");
        let (line, near) = Line::to(far);
        Self {
            name,
            line,
            near,
            secure,
        }
    }

    /// Its address, as `--blobs` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("s3://{}/blobs", self.name)
    }

    /// What a program has to find in its environment to reach it.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ENDPOINT_URL", self.endpoint()),
        ];
        if self.secure {
            all.push(("SSL_CERT_FILE", server().authority.display().to_string()));
        }
        all
    }

    fn endpoint(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.near.port())
    }

    /// What stands in it, for whoever looks at it from outside of the hub: on a line that is never cut.
    #[must_use]
    pub fn outside(&self) -> Arc<dyn ObjectStore> {
        self.client(format!("http://{}", server().plain))
    }

    /// The same at the end of its line.
    #[must_use]
    pub fn objects(&self) -> Arc<dyn ObjectStore> {
        self.client(format!("http://localhost:{}", self.near.port()))
    }

    fn client(&self, endpoint: String) -> Arc<dyn ObjectStore> {
        // The client wants to know which TLS there is, also where it needs none.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let few = RetryConfig {
            max_retries: 1,
            retry_timeout: Duration::from_secs(5),
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(10),
                max_backoff: Duration::from_millis(20),
                base: 2.0,
            },
        };
        let bucket = AmazonS3Builder::new()
            .with_bucket_name(&self.name)
            .with_access_key_id(KEY)
            .with_secret_access_key(SECRET)
            .with_region(REGION)
            .with_endpoint(endpoint)
            .with_retry(few)
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .build()
            .expect("the client is made");
        Arc::new(bucket)
    }

    /// Cuts the line.
    pub fn cut(&self) {
        self.line.cut();
    }

    /// Cuts the line when so many more bytes went to the server.
    pub fn cut_after(&self, bytes: u64) {
        self.line.left.store(bytes, Ordering::SeqCst);
    }

    /// Mends the line.
    pub fn mend(&self) {
        self.line.left.store(u64::MAX, Ordering::SeqCst);
        self.line.cut.store(false, Ordering::SeqCst);
    }

    /// Bytes that went to the server over the line.
    #[must_use]
    pub fn carried(&self) -> u64 {
        self.line.carried.load(Ordering::SeqCst)
    }
}

/// Objects in a folder, as a hub keeps them.
#[must_use]
pub fn in_folder(folder: &Path) -> Arc<dyn ObjectStore> {
    let objects = LocalFileSystem::new_with_prefix(folder).expect("the folder is there");
    Arc::new(objects.with_automatic_cleanup(true).with_fsync(true))
}
