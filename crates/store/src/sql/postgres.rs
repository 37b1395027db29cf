//! PostgreSQL behind the common shapes.
//!
//! Whoever calls waits: the sockets are driven by a thread of this module's own, so that a connection can be used and
//! dropped on any thread. An answer is read whole before its first row is looked at, which lets statements run while
//! another's rows are being read, as SQLite's can.

mod address;
mod listening;
mod text;
mod value;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::sync::OnceLock;

use futures_executor::block_on;
use tokio::runtime::Runtime;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls, Socket, Statement};

use super::{Error, Params, Result, ValueRef};

pub use address::{Address, AddressFault};
pub(crate) use listening::{Heard, Listening};
pub(super) use text::tables;
pub(super) use value::column;

/// Prepared statements that a connection keeps.
const KEPT_MAX: usize = 512;
/// Settings of a connection. Notices of tables that are there already are no news. A node that is gone without a word
/// must not keep the others from writing for long. A commit returns when it is on the disk, not before, unless the
/// keeper asked for more than that.
const SETTINGS: &str = "
    SET client_min_messages = warning;
    SET idle_in_transaction_session_timeout = '2min';
    SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3;
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";
/// Name of the lock that writers of one database take in turn: "clinic" in ASCII, with room for other locks beside it.
const WRITERS: i64 = 0x0063_6c69_6e69_6300;

/// The thread that drives the sockets of all connections.
fn driver() -> Result<&'static Runtime> {
    static DRIVER: OnceLock<std::result::Result<Runtime, String>> = OnceLock::new();
    let made = DRIVER.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("store-postgresql")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())
    });
    made.as_ref().map_err(|error| Error::Driver(error.clone()))
}

/// Runs a piece of work on the driving thread and waits for it.
fn driven<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T> {
    let task = driver()?.spawn(work);
    block_on(task).map_err(|error| Error::Driver(error.to_string()))
}

/// A statement by its text, the kinds of the values that are bound, and which of them are missing.
type Key = (String, Vec<Type>, Vec<bool>);

/// A connection to a server.
pub(crate) struct Connection {
    address: Address,
    client: RefCell<Client>,
    /// Statements that were made before.
    kept: RefCell<HashMap<Key, Statement>>,
    open: Cell<bool>,
    /// A statement failed in the transaction that is open: the server would answer its commit by taking it back.
    failed: Cell<bool>,
}

fn connect(address: &Address) -> Result<Client> {
    let address = address.clone();
    let connected = driven(async move {
        match address.tls.clone() {
            Some(tls) => greet(&address, tls).await,
            None => greet(&address, NoTls).await,
        }
    })?;
    let client = connected?;
    block_on(client.batch_execute(SETTINGS))?;
    Ok(client)
}

async fn greet<T>(address: &Address, tls: T) -> std::result::Result<Client, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, connection) = address.config.connect(tls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(%error, "the connection to the database ended");
        }
    });
    Ok(client)
}

impl Connection {
    pub(super) fn open(address: &Address) -> Result<Self> {
        Ok(Self {
            address: address.clone(),
            client: RefCell::new(connect(address)?),
            kept: RefCell::default(),
            open: Cell::new(false),
            failed: Cell::new(false),
        })
    }

    /// Begins a transaction that writes. Writers of all nodes take turns: positions of feeds, sums and numbers of rows
    /// are given in the order of the commits, as by the one writer of a SQLite file. Each statement sees what was
    /// committed before it, so nothing that was read before the lock was had is used.
    pub(super) fn begin_write(&self) -> Result<()> {
        self.begin(&format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({WRITERS})"
        ))
    }

    /// Begins a transaction that reads one state.
    pub(super) fn begin_read(&self) -> Result<()> {
        self.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    }

    fn begin(&self, text: &str) -> Result<()> {
        self.failed.set(false);
        let mut begun = block_on(self.client.borrow().batch_execute(text));
        // That a connection ended, because the server started again, shows when it is used.
        if begun.is_err() && self.client.borrow().is_closed() {
            self.client.replace(connect(&self.address)?);
            self.kept.borrow_mut().clear();
            begun = block_on(self.client.borrow().batch_execute(text));
        }
        self.open.set(true);
        if begun.is_err() {
            self.rollback()?;
        }
        Ok(begun?)
    }

    pub(super) fn commit(&self) -> Result<()> {
        if self.failed.get() {
            self.rollback()?;
            return Err(Error::Aborted);
        }
        self.open.set(false);
        Ok(block_on(self.client.borrow().batch_execute("COMMIT"))?)
    }

    pub(super) fn rollback(&self) -> Result<()> {
        self.open.set(false);
        if self.client.borrow().is_closed() {
            // The server took it back when the connection went.
            return Ok(());
        }
        Ok(block_on(self.client.borrow().batch_execute("ROLLBACK"))?)
    }

    pub(super) fn is_autocommit(&self) -> bool {
        !self.open.get()
    }

    pub(super) fn execute_batch(&self, text: &str) -> Result<()> {
        self.seen(block_on(self.client.borrow().batch_execute(text)))
    }

    pub(super) fn last_insert_rowid(&self) -> Result<i64> {
        let row = self.seen(block_on(self.client.borrow().query_one("SELECT lastval()", &[])))?;
        Ok(row.try_get(0)?)
    }

    pub(super) fn column_count(&self, text: &str) -> Result<usize> {
        Ok(self.prepared(text, &[])?.columns().len())
    }

    pub(super) fn execute(&self, text: &str, params: impl Params) -> Result<usize> {
        params.with(|values| {
            let statement = self.prepared(text, values)?;
            let count = block_on(self.client.borrow().execute_raw(&statement, values));
            Ok(usize::try_from(self.seen(count)?).unwrap_or(usize::MAX))
        })
    }

    pub(super) fn query(&self, text: &str, params: impl Params) -> Result<Vec<tokio_postgres::Row>> {
        params.with(|values| {
            let statement = self.prepared(text, values)?;
            let values: Vec<_> = values
                .iter()
                .map(|value| value as &(dyn tokio_postgres::types::ToSql + Sync))
                .collect();
            self.seen(block_on(self.client.borrow().query(&statement, &values)))
        })
    }

    pub(super) fn version(&self) -> Result<i64> {
        let there = "SELECT count(*) FROM information_schema.tables
             WHERE table_schema = current_schema() AND table_name = 'store_version'";
        let there = self.seen(block_on(self.client.borrow().query_one(there, &[])))?;
        if there.try_get::<_, i64>(0)? == 0 {
            return Ok(0);
        }
        let found = "SELECT coalesce(max(version), 0) FROM store_version";
        Ok(self
            .seen(block_on(self.client.borrow().query_one(found, &[])))?
            .try_get(0)?)
    }

    pub(super) fn set_version(&self, version: i64) -> Result<()> {
        self.execute_batch(text::FUNCTIONS)?;
        self.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS store_version(version BIGINT PRIMARY KEY);
             INSERT INTO store_version(version) VALUES({version}) ON CONFLICT DO NOTHING"
        ))
    }

    pub(super) fn notify(&self, told: &str) -> Result<()> {
        let channel = listening::CHANNEL;
        self.query("SELECT pg_notify(?1, ?2)", [channel, told]).map(drop)
    }

    fn prepared(&self, text: &str, values: &[ValueRef<'_>]) -> Result<Statement> {
        let kinds: Vec<Type> = values.iter().map(value::kind).collect();
        let missing: Vec<bool> = values.iter().map(|value| *value == ValueRef::Null).collect();
        let key = (text.to_owned(), kinds.clone(), missing);
        if let Some(statement) = self.kept.borrow().get(&key) {
            return Ok(statement.clone());
        }
        let own = text::query(text, &key.2);
        let made = block_on(self.client.borrow().prepare_typed(&own, &key.1));
        let statement = self.seen(made)?;
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(key, statement.clone());
        Ok(statement)
    }

    fn seen<T>(&self, answer: std::result::Result<T, tokio_postgres::Error>) -> Result<T> {
        if answer.is_err() {
            self.failed.set(true);
        }
        Ok(answer?)
    }
}
