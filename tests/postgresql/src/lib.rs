//! A PostgreSQL server of the tests' own, from Debian's package: in a folder that goes away, on a socket in it, as a
//! user that is not root. Each process of tests has its own; it stops, and its folder goes, when that process ends,
//! however it ends. A machine without the package fails the tests.

#![expect(
    clippy::expect_used,
    reason = "a test whose server does not run fails on the spot"
)]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where Debian's package puts the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";
const ABSENT: &str = "the tests need the Debian package postgresql";
/// The user that nobody is: `initdb` refuses root.
const NOBODY: u32 = 65_534;
const USER: &str = "clinic";

/// Makes the server, says when it answers, and takes everything away when the input ends.
const KEEP: &str = r#"
"$1/initdb" --no-sync -A trust -U clinic -E UTF8 --locale=C.UTF-8 -D "$2/data" >"$2/log" 2>&1 || exit 1
listens=
if [ -e "$2/server.key" ]; then
    printf 'local all all trust\nhostssl all all all trust\n' >"$2/data/pg_hba.conf"
    listens="-c ssl=on -c ssl_cert_file=$2/server.crt -c ssl_key_file=$2/server.key"
fi
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses="${listens:+127.0.0.1}" $listens -c fsync=off \
    -c full_page_writes=off -c shared_buffers=32MB -c max_connections=200 >>"$2/log" 2>&1 &
server=$!
until "$1/psql" -h "$2" -U clinic -d postgres -c 'SELECT 1' >/dev/null 2>&1; do
    kill -0 "$server" || exit 1
    sleep 0.05
done
echo ready
read -r _
kill -QUIT "$server"
wait "$server"
cd / && rm -rf "$2"
"#;

struct Server {
    programs: PathBuf,
    folder: PathBuf,
    /// Holds the pipe whose end tells the keeper to stop.
    _keeper: Child,
}

fn programs() -> PathBuf {
    let versions = std::fs::read_dir(VERSIONS).expect(ABSENT);
    let mut versions: Vec<PathBuf> = versions
        .map(|entry| entry.expect(ABSENT).path().join("bin"))
        .filter(|programs| programs.join("postgres").exists())
        .collect();
    versions.sort();
    versions.pop().expect(ABSENT)
}

/// Starts a server; one with a certificate and its key takes TLS at this port of 127.0.0.1, and nothing else there.
fn start(certificate: Option<(&str, &str, u16)>) -> Server {
    let programs = programs();
    let folder = tempfile::Builder::new()
        .prefix("clinic-postgresql-")
        .tempdir()
        .expect("a folder for the server")
        .keep();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).expect("rights of the folder");
    let mut owned = vec![folder.clone()];
    if let Some((certificate, key, _)) = certificate {
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let file = folder.join(name);
            std::fs::write(&file, text).expect("a file of the server");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))
                .expect("rights of the key");
            owned.push(file);
        }
    }
    let mut keeper = Command::new("sh");
    keeper
        .args(["-c", KEEP, "keeper"])
        .arg(&programs)
        .arg(&folder)
        .current_dir(&folder)
        .env(
            "PGPORT",
            certificate.map_or(5432, |(_, _, port)| port).to_string(),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // A runner that kills the test's group must not kill whoever cleans up behind it.
        .process_group(0);
    if std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        for path in &owned {
            chown(path, Some(NOBODY), Some(NOBODY)).expect("the folder is given away");
        }
        keeper.uid(NOBODY).gid(NOBODY);
    }
    let mut keeper = keeper.spawn().expect("sh starts");
    let mut said = String::new();
    if let Some(out) = keeper.stdout.take() {
        BufReader::new(out)
            .read_line(&mut said)
            .expect("the keeper is heard");
    }
    assert_eq!(
        said,
        "ready\n",
        "the server did not start: {}",
        std::fs::read_to_string(folder.join("log")).unwrap_or_default()
    );
    Server {
        programs,
        folder,
        _keeper: keeper,
    }
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| start(None))
}

/// A server that is spoken to by TLS only, as one on another machine; it stops as the other does.
pub struct FarServer {
    _server: Server,
    port: u16,
}

impl FarServer {
    /// One with this certificate and its key, both as PEM.
    #[must_use]
    pub fn start(certificate: &str, key: &str) -> Self {
        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = free.local_addr().expect("its number").port();
        drop(free);
        let server = start(Some((certificate, key, port)));
        Self {
            _server: server,
            port,
        }
    }

    /// Address of its one database under one of its names, without what protects the way.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("postgres://{USER}@{name}:{}/postgres", self.port)
    }
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let server = server();
    let output = Command::new(server.programs.join(program))
        .arg("-h")
        .arg(&server.folder)
        .args(["-U", USER])
        .args(arguments)
        .output()
        .expect(ABSENT);
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("t{}", COUNT.fetch_add(1, Ordering::SeqCst))
}

/// A database of the server of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database(String);

impl Database {
    /// An empty one.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it starts a server")]
    pub fn new() -> Self {
        let database = Self(name());
        run("createdb", &[&database.0]);
        database
    }

    /// One that holds what this one holds now. Nobody may be connected to this one.
    #[must_use]
    pub fn copied(&self) -> Self {
        let copy = Self(name());
        run("createdb", &["-T", &self.0, &copy.0]);
        copy
    }

    /// A new one that was restored from a backup of this one, as its keeper makes them; also while this one is used.
    #[must_use]
    pub fn restored(&self) -> Self {
        let copy = Self(name());
        let file = server().folder.join(format!("{}.dump", copy.0));
        let file = file.to_string_lossy();
        run("pg_dump", &["--format=custom", "--file", &file, &self.0]);
        run("createdb", &[&copy.0]);
        run("pg_restore", &["--exit-on-error", "--dbname", &copy.0, &file]);
        copy
    }

    /// Its address, as `--database-url` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{USER}@{}/{}", escaped(&server().folder), self.0)
    }

    /// Whether any row of any table holds these bytes.
    #[must_use]
    pub fn holds(&self, needle: &[u8]) -> bool {
        let rows = run("pg_dump", &["--data-only", &self.0]).stdout;
        let hex: String = needle.iter().map(|byte| format!("{byte:02x}")).collect();
        let is_in = |needle: &[u8]| rows.windows(needle.len()).any(|window| window == needle);
        is_in(needle) || is_in(hex.as_bytes())
    }
}

fn escaped(folder: &Path) -> String {
    folder.to_string_lossy().replace('/', "%2F")
}
