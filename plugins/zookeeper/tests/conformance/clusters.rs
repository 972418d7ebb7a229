//! Three members on one machine: one is lost during a backup, all are lost before a restore.

use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lockgate_conformance::command::{Lockgate, plugins};
use lockgate_conformance::{Content, Server};
use lockgate_servers::{ZooKeeper, ZooKeeperOptions};
use tempfile::TempDir;

use crate::server::Tree;

/// "Storage or a server cannot be reached."
const UNREACHABLE: i32 = 13;
/// "The target is not empty, or exists already."
const CONFLICT: i32 = 20;
/// Bytes of the tree that is read while a member dies: 10,000 nodes.
const BULK_BYTES: u64 = 40 << 20;
/// Requests that a member gets before it dies: one for each node while the plan is made, four while the moment is read.
const IN_THE_PLAN: u64 = 6_000;
const IN_THE_MOMENT: u64 = 25_000;
const TIME_MAX: Duration = Duration::from_secs(120);

/// An ensemble, and `lockgate` for it.
struct Site {
    tree: Tree,
    lockgate: Lockgate,
    folder: TempDir,
}

impl Site {
    fn open() -> Result<Self> {
        let options = ZooKeeperOptions { members: 3, heap_mib: 256, ..ZooKeeperOptions::default() };
        let tree = Tree { server: ZooKeeper::start_with(options)? };
        let folder = TempDir::new()?;
        let path = folder.path().join("config.toml");
        std::fs::write(&path, configuration(&tree.server))?;
        let repository = format!("fs:{}", folder.path().join("repository").display());
        let lockgate = Lockgate::new(folder.path(), &plugins()?)?
            .with("LOCKGATE_REPOSITORY", repository)
            .with("LOCKGATE_CONFIG", path);
        // The lock file is beside the configuration.
        lockgate.ok(&["plugin", "lock"])?;
        lockgate.ok(&["init"])?;
        Ok(Self { tree, lockgate, folder })
    }

    /// How many requests a member has got.
    fn received(&self, number: usize) -> Result<u64> {
        let answer = self.tree.server.word(number, "srvr")?;
        let line = answer.lines().find_map(|line| line.strip_prefix("Received: "));
        Ok(line.context("no Received")?.parse()?)
    }

    /// A backup of `source` that reads the tree from member `number` just now.
    fn in_the_middle(&self, source: &str, number: usize, requests: u64) -> Result<Child> {
        let before = self.received(number)?;
        let log = std::fs::File::create(self.folder.path().join("backup.log"))?;
        let mut command = self.lockgate.command(&["backup", source]);
        let mut child = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        let deadline = Instant::now() + TIME_MAX;
        while self.received(number)? < before + requests {
            let is_over = child.try_wait()?.is_some() || Instant::now() > deadline;
            ensure!(!is_over, "it had no middle: {}", self.log()?);
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(child)
    }

    fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.folder.path().join("backup.log"))?)
    }

    /// What the servers, kazoo and lockgate say of each member.
    fn every_member_serves(&mut self, wanted: &lockgate_conformance::Contents) -> Result<()> {
        let mut leaders = 0;
        for (number, port) in self.tree.server.ports().into_iter().enumerate() {
            let mode = self.tree.server.mode(number)?;
            let ok = self.tree.server.word(number, "ruok")?;
            ensure!(ok == "imok", "{ok}");
            leaders += usize::from(mode == "leader");
            let seen = self.tree.client_at(number, &["dump"])?;
            let seen: lockgate_conformance::Contents = serde_json::from_str(&seen)?;
            ensure!(
                seen == *wanted,
                "member {} has {} nodes and not {}",
                number + 1,
                seen.len(),
                wanted.len()
            );
            println!(
                "member {} on port {port}: ruok {ok}, srvr {mode}, kazoo reads {} nodes as they were",
                number + 1,
                seen.len()
            );
        }
        ensure!(leaders == 1, "{leaders} leaders");
        let checked = self.lockgate.ok(&["health", "first"])?;
        let said = format!("{}{}", checked.stdout, checked.stderr);
        let serving: Vec<&str> = said
            .lines()
            .filter(|line| line.contains("member 127.0.0.1") && line.contains("serves as"))
            .collect();
        serving.iter().for_each(|line| println!("lockgate: {}", line.trim()));
        ensure!(serving.len() == 3, "{said}");
        Ok(())
    }
}

/// `first`, `second` and `third` begin at that member and know all, `alone` knows the first only.
fn configuration(server: &ZooKeeper) -> String {
    let ports = server.ports();
    let members: Vec<String> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    let (user, password) = ZooKeeper::SUPER;
    let mut text = String::new();
    for (name, number, is_alone) in
        [("first", 0, false), ("second", 1, false), ("third", 2, false), ("alone", 0, true)]
    {
        let (config, grant) = match is_alone {
            true => (String::new(), String::new()),
            false => (
                format!("members = [{}]", members.join(", ")),
                format!(", members = [{{ network = \"127.0.0.1/32\", ports = {ports:?} }}]"),
            ),
        };
        text.push_str(&format!(
            "[sources.{name}]\nplugin = \"zookeeper\"\nclock = true\nconfig = {{ {config} }}\n\
             endpoints.server = {{ address = \"127.0.0.1:{}\", encryption = \"off\"{grant} }}\n\
             credentials.account = {{ principal = \"{user}\", secret-command = [\"echo\", \"{password}\"], reveal = true }}\n",
            ports[number]
        ));
    }
    text
}

#[test]
#[ignore = "takes minutes: cargo test -p lockgate-plugin-zookeeper --test conformance -- clusters --include-ignored runs it"]
fn a_backup_goes_on_when_a_member_dies() -> Result<()> {
    let mut site = Site::open()?;
    site.tree.fill(Content::Bulk { bytes: BULK_BYTES })?;
    let wanted = site.tree.contents()?;
    let names = ["first", "second", "third"];

    // The one that is asked: the leader, so that all sessions end and another one has to be elected; then a follower.
    for (role, requests) in [("leader", IN_THE_PLAN), ("follower", IN_THE_MOMENT)] {
        let number =
            (0..3).find(|number| site.tree.server.mode(*number).is_ok_and(|mode| mode == role));
        let number = number.with_context(|| format!("no {role}"))?;
        let mut child = site.in_the_middle(names[number], number, requests)?;
        site.tree.server.kill(number)?;
        let status = child.wait()?;
        let log = site.log()?;
        ensure!(status.success(), "{log}");
        let turned: Vec<&str> =
            log.lines().filter(|line| line.contains("another member")).collect();
        ensure!(!turned.is_empty(), "nobody turned to another member: {log}");
        println!("the {role}, member {}, died:", number + 1);
        turned.iter().for_each(|line| println!("  {}", line.trim()));
        site.tree.server.restart(number)?;
    }

    // One that is not asked: a follower, with which no session ends.
    let other =
        (1..3).find(|number| site.tree.server.mode(*number).is_ok_and(|mode| mode == "follower"));
    let other = other.context("no follower")?;
    let mut child = site.in_the_middle("alone", 0, IN_THE_MOMENT)?;
    site.tree.server.kill(other)?;
    ensure!(child.wait()?.success(), "{}", site.log()?);
    println!(
        "member {}, a follower, died, and a source that knows only member 1 went on",
        other + 1
    );
    site.tree.server.restart(other)?;

    // The only one that is known.
    let mut child = site.in_the_middle("alone", 0, IN_THE_MOMENT)?;
    site.tree.server.kill(0)?;
    let status = child.wait()?;
    ensure!(status.code() == Some(UNREACHABLE), "{status} {}", site.log()?);
    println!(
        "member 1 died, the only one that a source knows: {}",
        site.log()?.lines().last().unwrap_or_default()
    );
    site.tree.server.restart(0)?;

    // What was saved while members died is what was there.
    site.tree.server.renew()?;
    site.lockgate.ok(&["restore", "latest~2", "--into", "first", "--disaster-recovery"])?;
    site.every_member_serves(&wanted)
}

#[test]
fn a_lost_ensemble_comes_back_and_every_member_serves() -> Result<()> {
    let mut site = Site::open()?;
    site.tree.fill(Content::Usual)?;
    let wanted = site.tree.contents()?;
    // Another leader counts its transactions from higher on, as after some years.
    let leader =
        (0..3).find(|number| site.tree.server.mode(*number).is_ok_and(|mode| mode == "leader"));
    site.tree.server.restart(leader.context("no leader")?)?;
    site.lockgate.ok(&["backup", "first"])?;

    println!("-- all members lost; restored into three new ones");
    site.tree.server.renew()?;
    site.lockgate.ok(&["restore", "latest"])?;
    site.every_member_serves(&wanted)?;

    println!("-- disaster recovery is not for an ensemble that has something");
    let refused = site.lockgate.run(&["restore", "latest", "--disaster-recovery"])?;
    ensure!(refused.code == Some(CONFLICT), "{refused:?}");
    println!("{}", refused.error_line());

    println!("-- all members lost; disaster recovery into three new ones");
    site.tree.server.renew()?;
    let restored = site.lockgate.summary(&["restore", "latest", "--disaster-recovery"])?;
    site.every_member_serves(&wanted)?;
    let findings = restored["findings"].as_array().context("no findings")?;
    let told = findings
        .iter()
        .find(|it| it["code"] == "transactions")
        .context("nothing of transactions")?;
    println!("{}", told["message"]);
    ensure!(told["message"].as_str().is_some_and(|text| text.contains("started again")), "{told}");
    let serving = findings.iter().filter(|it| it["code"] == "member-serves").count();
    ensure!(serving == 3 && findings.iter().all(|it| it["severity"] != "critical"), "{restored}");
    // Numbers of sequential children go on where they were, at each member.
    for number in 0..3 {
        let made = site.tree.client_at(number, &["sequence", "/queue/item-"])?;
        println!("member {} makes {made}", number + 1);
        ensure!(made == format!("/queue/item-{:010}", 12 + number), "{made}");
    }

    println!("-- one new member does not serve: disaster recovery waits for the operator");
    site.tree.server.renew()?;
    site.tree.server.kill(2)?;
    let refused = site.lockgate.run(&["restore", "latest", "--disaster-recovery"])?;
    ensure!(
        refused.code == Some(UNREACHABLE) && refused.error_line().contains("does not serve"),
        "{refused:?}"
    );
    println!("{}", refused.error_line());
    Ok(())
}
