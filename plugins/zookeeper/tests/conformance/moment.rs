//! Reading and writing over plain sockets, without a host around it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};
use lockgate_conformance::{Content, Server};
use lockgate_plugin::Failure;
use lockgate_plugin_zookeeper::capture::{Moment, capture};
use lockgate_plugin_zookeeper::error::Error;
use lockgate_plugin_zookeeper::load::Loader;
use lockgate_plugin_zookeeper::message::{Acl, Kind};
use lockgate_plugin_zookeeper::scope::Scope;
use lockgate_plugin_zookeeper::session::{Account, Session};
use lockgate_servers::{ZooKeeper, ZooKeeperOptions};

use crate::server::Tree;

/// Milliseconds.
const TIMEOUT: i32 = 10_000;

/// A socket that sends before it waits.
struct Socket(BufReader<TcpStream>, Vec<u8>);

impl Socket {
    fn send(&mut self) -> io::Result<()> {
        self.0.get_mut().write_all(&std::mem::take(&mut self.1))
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.send()?;
        self.0.read(into)
    }
}

impl BufRead for Socket {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.send()?;
        self.0.fill_buf()
    }
    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

fn session(port: u16, account: Option<(&str, &str)>) -> Result<Session<Socket>, Error> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let account =
        account.map(|(name, secret)| Account { name: name.to_owned(), secret: secret.into() });
    Session::open(Socket(BufReader::new(stream), Vec::new()), TIMEOUT, account.as_ref())
}

fn whole() -> Scope {
    let mut scope = Scope::below("/");
    scope.starts.push("/zookeeper/quota".to_owned());
    scope
}

fn read(port: u16) -> Result<Moment> {
    let mut session = session(port, Some(ZooKeeper::SUPER))?;
    let moment = capture(&mut session, &whole(), || Ok(()))?;
    session.close();
    Ok(moment)
}

fn number(moment: &Moment, path: &str) -> Result<u64> {
    let node = moment.tree.nodes.get(path).with_context(|| format!("no {path}"))?;
    let data = node.data.as_deref().context("no data")?;
    Ok(std::str::from_utf8(data)?.parse()?)
}

/// What the writing program keeps: see `invariant` in `client.py`.
fn check(moment: &Moment) -> Result<u64> {
    let mut numbers = Vec::new();
    for slot in 0..20 {
        let one = number(moment, &format!("/counters/{slot}"))?;
        let other = number(moment, &format!("/other/{slot}"))?;
        ensure!(one == other, "slot {slot} was seen half: {one} and {other}");
        numbers.push(one);
    }
    numbers.sort_unstable();
    let highest = numbers.last().copied().unwrap_or_default();
    let tokens =
        ["/counters/token", "/other/token"].map(|path| moment.tree.nodes.contains_key(path));
    ensure!(
        tokens.iter().filter(|is_there| **is_there).count() == usize::from(highest >= 20),
        "{tokens:?}"
    );
    let expected: Vec<u64> = (highest.saturating_sub(19)..=highest).collect();
    ensure!(highest < 20 || numbers == expected, "of different moments: {numbers:?}");
    Ok(highest)
}

fn text(moment: &Moment) -> Vec<String> {
    let shown = moment.tree.nodes.iter().map(|(path, node)| {
        format!(
            "{path} {:?} {:?} {:?} {:?}",
            node.kind,
            node.data,
            moment.tree.acl(node),
            node.sequence
        )
    });
    shown.collect()
}

#[test]
fn what_one_transaction_changes_is_never_seen_half() -> Result<()> {
    let mut tree = Tree { server: ZooKeeper::start()? };
    tree.fill(Content::Usual)?;
    let port = tree.server.ports()[0];
    let writer = tree.write()?;
    let mut seen = Vec::new();
    let mut ephemerals = 0;
    for _ in 0..30 {
        let moment = read(port)?;
        seen.push(check(&moment)?);
        ephemerals += moment.tree.ephemerals.len();
    }
    let written = writer.stop()?;
    ensure!(
        seen.is_sorted() && seen.last() > seen.first(),
        "nothing was written meanwhile: {seen:?}"
    );
    ensure!(ephemerals > 0, "no ephemeral node was met in {written} changes");
    ensure!(check(&read(port)?)? == written);
    ensure!(tree.left()?.is_empty(), "{:?}", tree.left()?);
    Ok(())
}

#[test]
fn every_member_of_an_ensemble_shows_the_same_and_goes_on_without_its_leader() -> Result<()> {
    let options = ZooKeeperOptions { members: 3, ..ZooKeeperOptions::default() };
    let mut tree = Tree { server: ZooKeeper::start_with(options)? };
    tree.fill(Content::Usual)?;
    let writer = tree.write()?;
    for port in tree.server.ports() {
        check(&read(port)?)?;
    }
    writer.stop()?;
    let texts = tree.server.ports().into_iter().map(|port| Ok(text(&read(port)?)));
    let texts = texts.collect::<Result<Vec<_>>>()?;
    ensure!(texts.iter().all(|text| *text == texts[0]) && texts[0].len() > 350);
    let leader = (0..3).find(|number| tree.server.mode(*number).is_ok_and(|mode| mode == "leader"));
    let leader = leader.context("no leader")?;
    tree.server.kill(leader)?;
    let others: Vec<usize> = (0..3).filter(|number| *number != leader).collect();
    for number in &others {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        // One that follows the new leader may still turn sessions away.
        let found = loop {
            match tree.server.mode(*number).and_then(|_| read(tree.server.ports()[*number])) {
                Ok(found) => break found,
                Err(error) => ensure!(std::time::Instant::now() < deadline, "no leader: {error}"),
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        };
        ensure!(text(&found) == texts[0]);
    }
    Ok(())
}

#[test]
fn what_the_account_may_not_see_is_an_error_and_not_a_gap() -> Result<()> {
    let mut tree = Tree { server: ZooKeeper::start()? };
    tree.fill(Content::Usual)?;
    let port = tree.server.ports()[0];
    for account in [None, Some(("owner", "wrong")), Some(("super", "wrong")), Some(("owner", "pw"))]
    {
        let mut session = session(port, account)?;
        let refused =
            capture(&mut session, &whole(), || Ok(())).err().context("it saw everything")?;
        let told = lockgate_plugin::Error::from(refused);
        ensure!(matches!(told.failure(), Failure::Auth(_)), "{account:?}: {told}");
    }
    // One who may read, but not administer, is shown ACLs without their passwords.
    let mut session = session(port, Some(("owner", "pw")))?;
    let refused = capture(&mut session, &Scope::below("/locked"), || Ok(()))
        .err()
        .context("it saw the ACL")?;
    ensure!(refused.to_string().contains("hides"), "{refused}");
    Ok(())
}

#[test]
fn nodes_are_made_below_one_that_locks_the_writer_out() -> Result<()> {
    let tree = Tree { server: ZooKeeper::start()? };
    let port = tree.server.ports()[0];
    let of_another = vec![Acl { perms: 1, scheme: "digest".into(), id: "other:aGFzaA==".into() }];
    for (name, account) in
        [("/a", None), ("/b", Some(("writer", "pw"))), ("/c", Some(ZooKeeper::SUPER))]
    {
        let mut loader = Loader::new(session(port, account)?)?;
        let large = vec![7; 900_000];
        loader.create(name, Kind::Persistent, Some(b""), &of_another)?;
        for child in 0..5 {
            let path = format!("{name}/{child}");
            loader.create(&path, Kind::Container, Some(&large), &of_another)?;
        }
        ensure!(loader.advance(name, 25, 10)? == 20);
        ensure!(loader.advance(name, 2_000, 5_000)? == 0);
        loader.finish()?;
    }
    let moment = read(port)?;
    ensure!(moment.tree.nodes.len() == 1 + 3 * 6 + 1, "{}", moment.tree.nodes.len());
    let made =
        moment.tree.nodes.iter().filter(|(path, _)| path.len() > 1 && !path.starts_with("/zoo"));
    for (path, node) in made {
        ensure!(moment.tree.acl(node) == of_another, "{path}");
        ensure!(
            path.len() == 2 || node.data.as_ref().is_some_and(|data| data.len() == 900_000),
            "{path}"
        );
    }
    ensure!(tree.client(&["sequence", "/c/n-"])? == "/c/n-0000002000");
    Ok(())
}

#[test]
fn a_session_that_the_server_gave_up_is_replaced() -> Result<()> {
    let mut tree = Tree { server: ZooKeeper::start()? };
    let port = tree.server.ports()[0];
    let mut loader = Loader::new(session(port, None)?)?;
    loader.create("/before", Kind::Persistent, None, &Acl::open())?;
    loader.flush()?;
    tree.server.restart(0)?;
    loader.revive(|| session(port, None))?;
    loader.create("/after", Kind::Persistent, None, &Acl::open())?;
    loader.finish()?;
    let moment = read(port)?;
    ensure!(moment.tree.nodes.contains_key("/before") && moment.tree.nodes.contains_key("/after"));
    Ok(())
}
