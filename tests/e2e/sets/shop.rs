//! An application with a database, sessions, settings and pictures, and a program that counts in all four of them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockgate_servers::{Etcd, EtcdRelease, Redis};
use lockgate_tests::bank::{BACKUP_PASSWORD, Bank, empty_server, source};
use lockgate_tests::{Lockgate, Site};
use tempfile::TempDir;

pub struct Shop {
    pub bank: Bank,
    pub redis: Redis,
    pub etcd: Etcd,
    pictures: TempDir,
}

impl Shop {
    /// With the number 0 in all four.
    pub fn open(accounts: u64) -> Result<Self> {
        let shop = Self::with(Bank::open(accounts)?)?;
        shop.bank.server.sql(
            "CREATE TABLE bank.number (id INT PRIMARY KEY, n BIGINT); INSERT INTO bank.number VALUES (1, 0)",
        )?;
        shop.redis.command(&["SET", "number", "0"])?;
        shop.etcd.ctl(&["put", "number", "0"])?;
        std::fs::write(shop.picture(), "0")?;
        Ok(shop)
    }

    /// New servers with nothing in them.
    pub fn empty() -> Result<Self> {
        Self::with(Bank { server: empty_server()? })
    }

    fn with(bank: Bank) -> Result<Self> {
        let etcd = Etcd::start(EtcdRelease::V3_4)?;
        Ok(Self { bank, redis: Redis::start()?, etcd, pictures: TempDir::new()? })
    }

    fn picture(&self) -> PathBuf {
        self.pictures.path().join("number")
    }

    /// A `lockgate` whose configuration has the four sources, and what `more` says.
    pub fn configure(&self, site: &Site, more: &str) -> Result<Lockgate> {
        std::fs::write(site.path("secret"), BACKUP_PASSWORD)?;
        let database = source("database", self.bank.server.port, &site.text("secret"));
        site.configured(&format!(
            "{database}
             [sources.sessions]\nplugin = \"redis\"
             endpoints.server = {{ address = \"127.0.0.1:{}\", encryption = \"off\" }}
             [sources.settings]\nplugin = \"etcd\"
             endpoints.server = {{ address = \"{}\", encryption = \"off\" }}
             [sources.pictures]\nplugin = \"files\"
             folders.pictures = {{ path = \"{}\", access = \"read-write\" }}
             {more}",
            self.redis.port,
            self.etcd.address,
            self.pictures.path().display(),
        ))
    }

    /// What is in the four.
    pub fn numbers(&self) -> Result<[u64; 4]> {
        let database = self.bank.server.sql("SELECT n FROM bank.number")?;
        let sessions = self.redis.command(&["GET", "number"])?;
        let settings = self.etcd.ctl(&["get", "number", "--print-value-only"])?;
        let picture = std::fs::read_to_string(self.picture())?;
        Ok([
            database.trim().parse().context("in the database")?,
            sessions.trim().trim_matches('"').parse().context("in the sessions")?,
            settings.trim().parse().context("in the settings")?,
            picture.parse().context("in the pictures")?,
        ])
    }

    /// Writes one number after the other, each to all four and to the next when the one before has it.
    pub fn write_numbers(&self) -> Result<Program> {
        let mut places = Places::open(self)?;
        let state = Arc::new(State::default());
        let seen = Arc::clone(&state);
        let counting = thread::spawn(move || {
            while !seen.is_over.load(Ordering::SeqCst) {
                let number = seen.number.load(Ordering::SeqCst) + 1;
                places.write(number)?;
                seen.number.store(number, Ordering::SeqCst);
            }
            Ok(())
        });
        Ok(Program { state, counting: Some(counting) })
    }
}

#[derive(Default)]
struct State {
    number: AtomicU64,
    is_over: AtomicBool,
}

/// A program that counts, until it is stopped.
pub struct Program {
    state: Arc<State>,
    counting: Option<JoinHandle<Result<()>>>,
}

impl Program {
    /// The last number that all four have.
    pub fn number(&self) -> u64 {
        self.state.number.load(Ordering::SeqCst)
    }

    pub fn wait_for(&self, number: u64) -> Result<()> {
        let started = Instant::now();
        while self.number() < number {
            ensure!(started.elapsed() < Duration::from_secs(60), "at {} only", self.number());
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    pub fn stop(mut self) -> Result<()> {
        self.end().unwrap_or(Ok(()))
    }

    fn end(&mut self) -> Option<Result<()>> {
        self.state.is_over.store(true, Ordering::SeqCst);
        self.counting.take()?.join().ok()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // What went wrong was told by `stop`, if it came to that.
        let _ = self.end();
    }
}

/// Ways to the four, as a program keeps them open.
struct Places {
    client: Child,
    database: (ChildStdin, BufReader<ChildStdout>),
    sessions: BufReader<TcpStream>,
    settings: String,
    picture: PathBuf,
}

impl Places {
    fn open(shop: &Shop) -> Result<Self> {
        let mut client = shop.bank.server.client();
        client.args(["--batch", "--skip-column-names", "--unbuffered"]);
        let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = client.stdin.take().context("the client has no input")?;
        let output = client.stdout.take().context("the client has no output")?;
        Ok(Self {
            client,
            database: (input, BufReader::new(output)),
            sessions: BufReader::new(TcpStream::connect(("127.0.0.1", shop.redis.port))?),
            settings: shop.etcd.address.clone(),
            picture: shop.picture(),
        })
    }

    fn write(&mut self, number: u64) -> Result<()> {
        let (input, output) = &mut self.database;
        writeln!(input, "UPDATE bank.number SET n = {number}; SELECT n FROM bank.number;")?;
        let mut answer = String::new();
        output.read_line(&mut answer)?;
        ensure!(answer.trim() == number.to_string(), "the database says {answer:?}");

        self.sessions.get_mut().write_all(format!("SET number {number}\r\n").as_bytes())?;
        answer.clear();
        self.sessions.read_line(&mut answer)?;
        ensure!(answer == "+OK\r\n", "the sessions say {answer:?}");

        put(&self.settings, "number", &number.to_string())?;

        // As careful programs do, so that nobody sees half a number.
        let new = self.picture.with_extension("new");
        std::fs::write(&new, number.to_string())?;
        Ok(std::fs::rename(&new, &self.picture)?)
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        // Both fail when it has ended.
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

/// Sets a key of etcd through its JSON gateway.
fn put(address: &str, key: &str, value: &str) -> Result<()> {
    let body = serde_json::json!({ "key": STANDARD.encode(key), "value": STANDARD.encode(value) });
    let body = body.to_string();
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST /v3/kv/put HTTP/1.1\r\nhost: etcd\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "the settings say {answer:?}");
    Ok(())
}
