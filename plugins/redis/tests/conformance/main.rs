//! Drives the conformance suite against real Redis servers.

mod client;
mod content;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result, ensure};
use client::Connection;
use content::{ACCOUNTS, BALANCE, database};
use lockgate_conformance::{
    Content, Contents, Datastore, Disguise, Endpoint, Renaming, Role, Selection, Server, Source,
    Writer,
};
use lockgate_servers::{Redis, RedisOptions};

/// The account that backs up and restores.
const USER: &str = "keeper";
const PASSWORD: &str = "p4ss";
/// Databases of a server.
const DATABASES: u8 = 16;

struct RedisSuite;

impl Datastore for RedisSuite {
    fn plugin(&self) -> &str {
        "redis"
    }

    fn server_version(&self) -> Result<String> {
        let info = Redis::start()?.command(&["INFO", "server"])?;
        let version = info.lines().find_map(|line| line.trim_end().strip_prefix("redis_version:"));
        Ok(format!("Redis {}", version.context("the server tells no version")?))
    }

    fn start(&self, _role: Role) -> Result<Box<dyn Server>> {
        let options = RedisOptions { is_durable: true, ..RedisOptions::default() };
        let mut started = Started { redis: Redis::start_with(&options)? };
        started.make_account()?;
        Ok(Box::new(started))
    }
}

#[test]
fn it_conforms() -> Result<()> {
    lockgate_conformance::check(&RedisSuite)
}

struct Started {
    redis: Redis,
}

impl Started {
    fn make_account(&mut self) -> Result<()> {
        let password = format!(">{PASSWORD}");
        self.redis
            .command(&["ACL", "SETUSER", USER, "reset", "on", &password, "~*", "&*", "+@all"])?;
        Ok(())
    }

    fn connect(&self) -> Result<Connection> {
        Connection::open(self.redis.port)
    }
}

impl Server for Started {
    fn source(&self) -> Source {
        let address = format!("{}:{}", self.redis.host, self.redis.port);
        let settings = toml::toml! { encryption = "off" };
        let endpoints = BTreeMap::from([("server".to_owned(), Endpoint { address, settings })]);
        let settings = toml::toml! {
            [credentials.account]
            principal = "keeper"
            secret-command = ["echo", "p4ss"]
            reveal = true
        };
        Source { endpoints, settings }
    }

    fn clear(&mut self) -> Result<()> {
        self.redis.script("FLUSHALL\nFUNCTION FLUSH\n")?;
        for name in self.redis.command(&["ACL", "USERS"])?.lines() {
            if name != "default" && name != USER {
                self.redis.command(&["ACL", "DELUSER", name])?;
            }
        }
        Ok(())
    }

    fn fill(&mut self, content: Content) -> Result<()> {
        content::fill(&mut self.connect()?, content)
    }

    fn contents(&mut self) -> Result<Contents> {
        let mut redis = self.connect()?;
        let mut contents = Contents::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for number in 0..DATABASES {
            let script = include_bytes!("contents.lua");
            let found = redis.ask(&[b"EVAL", script, b"0", number.to_string().as_bytes()])?;
            for pair in found.chunks(2) {
                let [key, value] = pair else { continue };
                contents.insert(format!("{number}:{}", text(key)), text(value));
            }
        }
        for user in redis.ask(&[b"ACL", b"LIST"])? {
            let line = text(&user);
            let (name, rules) =
                line.trim_start_matches("user ").split_once(' ').context("a user")?;
            // Single commands come in the order of a table that the server shuffles at each start.
            let mut rules: Vec<&str> = rules.split(' ').collect();
            rules.sort_unstable();
            contents.insert(format!("user:{name}"), rules.join(" "));
        }
        let libraries = redis.ask(&[b"FUNCTION", b"LIST", b"WITHCODE"])?;
        for pair in libraries.windows(2).filter(|pair| pair[0] == b"library_code") {
            contents.insert(format!("library:{}", text(&pair[1])), String::new());
        }
        Ok(contents)
    }

    fn selection(&self) -> Selection {
        let accounts = (0..ACCOUNTS).filter(|account| database(*account) == 3);
        let mut objects: Vec<String> =
            accounts.map(|account| format!("3:account:{account}")).collect();
        objects.push("3:in-three".to_owned());
        // What a new server of the test has.
        objects.extend(["user:default".to_owned(), format!("user:{USER}")]);
        Selection { parts: vec!["db/3".to_owned()], objects }
    }

    fn renaming(&self) -> Renaming {
        Renaming {
            parts: vec!["db/9".to_owned()],
            names: vec![("db/9".to_owned(), "db/2".to_owned())],
            objects: vec![("9:in-nine".to_owned(), "2:in-nine".to_owned())],
        }
    }

    fn write(&mut self) -> Result<Box<dyn Writer>> {
        let mut redis = self.connect()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let mut changes: u64 = 0;
            while !stop.load(Ordering::Relaxed) {
                // Only ever in this direction, so that the balances never come back to what they were.
                let from = changes as usize * 2 % ACCOUNTS;
                let to = (changes as usize * 6 + 3) % ACCOUNTS;
                transfer(&mut redis, from, to, changes % 9 + 1)?;
                changes += 1;
            }
            Ok(changes)
        });
        Ok(Box::new(Transfers { is_over, thread }))
    }

    fn check_invariant(&mut self) -> Result<()> {
        let mut redis = self.connect()?;
        let mut sum = 0;
        for account in 0..ACCOUNTS {
            redis.send(&[b"SELECT", database(account).to_string().as_bytes()])?;
            let balance = redis.ask(&[b"GET", format!("account:{account}").as_bytes()])?;
            let balance = balance.first().context("an account is gone")?;
            sum += std::str::from_utf8(balance)?.parse::<i64>()?;
        }
        let expected = BALANCE * ACCOUNTS as i64;
        ensure!(sum == expected, "the accounts hold {sum} and not {expected}");
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        self.redis.kill();
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.redis.restart()?;
        // Users are not in the data.
        self.make_account()
    }

    fn revoke(&mut self) -> Result<()> {
        self.redis.command(&["ACL", "SETUSER", USER, "resetpass", ">another"]).map(drop)
    }

    fn disguise(&mut self) -> Result<Disguise> {
        let version = b"redis_version:7.0.15".to_vec();
        Ok(Disguise::Replies(vec![(version, b"redis_version:4.0.15".to_vec())]))
    }

    fn leftovers(&mut self) -> Result<Vec<String>> {
        let clients = self.redis.command(&["CLIENT", "LIST"])?;
        let ours = |line: &&str| line.contains(" name=lockgate") || line.contains(" flags=S");
        Ok(clients.lines().filter(ours).map(str::to_owned).collect())
    }
}

/// Moves money in one transaction, from one database to the other.
fn transfer(redis: &mut Connection, from: usize, to: usize, amount: u64) -> Result<()> {
    redis.send(&[b"MULTI"])?;
    for (account, sign) in [(from, "-"), (to, "")] {
        redis.send(&[b"SELECT", database(account).to_string().as_bytes()])?;
        let by = format!("{sign}{amount}");
        redis.send(&[b"INCRBY", format!("account:{account}").as_bytes(), by.as_bytes()])?;
    }
    redis.send(&[b"EXEC"])?;
    redis.settle()
}

struct Transfers {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64>>,
}

impl Writer for Transfers {
    fn stop(self: Box<Self>) -> Result<u64> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().ok().context("the writer panicked")?
    }
}

/// The driver itself: what it fills in it sees, and what it clears is gone.
#[test]
fn the_driver_sees_what_it_fills_in() -> Result<()> {
    let mut server = RedisSuite.start(Role::Source)?;
    let empty = server.contents()?;
    for content in [Content::Usual, Content::Odd, Content::Many { count: 10 }] {
        server.fill(content)?;
        let filled = server.contents()?;
        ensure!(filled.len() >= empty.len() + 10, "{content:?} gives {filled:?}");
        server.clear()?;
        ensure!(server.contents()? == empty, "something is left of {content:?}");
    }
    server.fill(Content::Usual)?;
    let before = server.contents()?;
    let selection = server.selection();
    ensure!(selection.objects.iter().all(|object| before.contains_key(object)), "{before:?}");
    let writer = server.write()?;
    std::thread::sleep(std::time::Duration::from_millis(200));
    ensure!(writer.stop()? > 0, "nothing was written");
    server.check_invariant()?;
    ensure!(server.contents()? != before, "nothing has changed");
    server.kill()?;
    server.restart()?;
    server.check_invariant()?;
    ensure!(server.leftovers()?.is_empty(), "there are leftovers of nothing");
    Ok(())
}
