//! A PostgreSQL server of the tests' own, from Debian's package: in a folder that goes away, on a socket in it, as a user
//! that is not root. It stops when the process of the test does, however that ends. A machine without the package fails
//! the tests.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::Address;
use crate::sql::Connection;

/// Names a folder with the socket of a server that is shared by many test processes.
const SHARED: &str = "CLINIC_POSTGRESQL";
/// Has the hubs of all tests keep their records on a server.
const ASKED: &str = "CLINIC_HUBS_ON_POSTGRESQL";
/// The user that nobody is: `initdb` refuses root.
const NOBODY: u32 = 65_534;

/// Starts the server, says so, and stops it when the input ends.
const KEEP: &str = r#"
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c full_page_writes=off \
    -c synchronous_commit=off -c shared_buffers=32MB -c max_connections=100 >"$2/log" 2>&1 &
server=$!
until "$1/psql" -h "$2" -U clinic -d postgres -c 'SELECT 1' >"$2/answer" 2>&1; do
    kill -0 "$server" || exit 1
    sleep 0.1
done
echo ready
read -r _
kill -QUIT "$server"
wait "$server"
"#;

enum Server {
    Shared(PathBuf),
    Own { folder: TempDir, _keeper: Child },
}

impl Server {
    fn socket(&self) -> &Path {
        match self {
            Self::Shared(path) => path,
            Self::Own { folder, .. } => folder.path(),
        }
    }
}

fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("the package postgresql is installed");
    let mut versions: Vec<PathBuf> = versions.map(|entry| entry.unwrap().path().join("bin")).collect();
    versions.sort();
    versions.pop().expect("the package postgresql is installed")
}

fn start() -> Server {
    if let Some(path) = std::env::var_os(SHARED) {
        return Server::Shared(path.into());
    }
    let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
    let programs = programs();
    let root = std::fs::metadata("/proc/self")
        .map(|own| std::os::unix::fs::MetadataExt::uid(&own))
        .unwrap()
        == 0;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let as_nobody = |command: &mut Command| {
        if root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.current_dir(folder.path());
    };
    if root {
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let mut init = Command::new(programs.join("initdb"));
    init.args([
        "--no-sync",
        "-A",
        "trust",
        "-U",
        "clinic",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "-D",
    ])
    .arg(folder.path().join("data"))
    .stdout(Stdio::null());
    as_nobody(&mut init);
    assert!(init.status().unwrap().success(), "initdb");
    let mut keeper = Command::new("sh");
    keeper
        .args(["-c", KEEP, "keeper"])
        .arg(&programs)
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    as_nobody(&mut keeper);
    let mut keeper = keeper.spawn().unwrap();
    let mut said = String::new();
    let out = keeper.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut said).unwrap();
    assert_eq!(said, "ready\n", "the server of the tests did not start");
    Server::Own {
        folder,
        _keeper: keeper,
    }
}

fn address(database: &str) -> Address {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let socket = SERVER
        .get_or_init(start)
        .socket()
        .to_string_lossy()
        .replace('/', "%2F");
    format!("postgres://clinic@{socket}/{database}").parse().unwrap()
}

/// An empty database.
pub(crate) fn database() -> Address {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("t{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
    let sql = Connection::open_address(&address("postgres")).unwrap();
    sql.execute_batch(&format!("CREATE DATABASE {name}")).unwrap();
    address(&name)
}

/// An empty database where the tests of hubs are run on a server, too.
pub(crate) fn database_if_asked() -> Option<Address> {
    std::env::var_os(ASKED).map(|_| database())
}
