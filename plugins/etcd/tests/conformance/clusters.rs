//! Three members on one machine: one is lost during a backup, all are lost before a restore.

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use lockgate_conformance::command::{Lockgate, plugins};
use lockgate_conformance::proxy::Proxy;
use lockgate_conformance::random::Random;
use lockgate_servers::{Etcd, EtcdOptions, etcdutl};
use serde_json::Value;
use tempfile::TempDir;

use crate::gateway::Gateway;

const PASSWORD: &str = "cluster secret";
/// "Storage or a server cannot be reached."
const UNREACHABLE: i32 = 13;
/// "The target is not empty, or exists already."
const CONFLICT: i32 = 20;
const PREFIXES: usize = 8;
const KEYS: usize = 160;
const VALUE_BYTES: usize = 64 << 10;
/// What has gone over the line when a member dies: the backup is in its middle.
const MIDDLE_BYTES: u64 = 6 << 20;
const TIME_MAX: Duration = Duration::from_secs(120);

/// A cluster, and `lockgate` for it.
struct Site {
    cluster: Etcd,
    /// Before the first member.
    proxy: Proxy,
    lockgate: Lockgate,
    folder: TempDir,
}

impl Site {
    fn open() -> Result<Self> {
        let mut cluster = Etcd::start_with(&EtcdOptions { members: 3, ..EtcdOptions::default() })?;
        cluster.enable_auth(PASSWORD)?;
        let folder = TempDir::new()?;
        std::fs::write(folder.path().join("secret"), PASSWORD)?;
        let path = folder.path().join("config.toml");
        let proxy = Proxy::start([cluster.address.as_str()])?;
        std::fs::write(&path, configuration(&cluster, &proxy, folder.path()))?;
        let repository = format!("fs:{}", folder.path().join("repository").display());
        let lockgate = Lockgate::new(folder.path(), &plugins()?)?
            .with("LOCKGATE_REPOSITORY", repository)
            .with("LOCKGATE_CONFIG", path);
        // The lock file is beside the configuration.
        lockgate.ok(&["plugin", "lock"])?;
        lockgate.ok(&["init"])?;
        let site = Self { cluster, proxy, lockgate, folder };
        site.fill(7)?;
        site.gateway()?.grant(4711, 6_000)?;
        site.gateway()?.put(b"/p0/leased", b"for a while", 4711)?;
        Ok(site)
    }

    fn gateway(&self) -> Result<Gateway> {
        Gateway::open(&self.cluster.address, PASSWORD)
    }

    /// Values that follow from `seed`.
    fn fill(&self, seed: u64) -> Result<()> {
        let (mut gateway, mut random) = (self.gateway()?, Random::new(seed));
        for number in 0..KEYS {
            let key = format!("/p{}/{number:04}", number % PREFIXES);
            gateway.put(key.as_bytes(), &random.bytes(VALUE_BYTES), 0)?;
        }
        Ok(())
    }

    /// All keys with their values, read at one member.
    fn seen_at(&self, address: &str) -> Result<Vec<String>> {
        let said = self.cluster.ctl_at(address, &["get", "/", "--prefix", "--write-out=json"])?;
        let said: Value = serde_json::from_str(&said)?;
        let pairs = said["kvs"].as_array().context("no keys")?;
        Ok(pairs
            .iter()
            .map(|pair| format!("{} {} {}", pair["key"], pair["value"], pair["lease"]))
            .collect())
    }

    /// A backup whose traffic with the first member is held in the middle.
    fn in_the_middle(&self, source: &str) -> Result<Child> {
        self.proxy.hold_at(self.proxy.traffic().bytes() + MIDDLE_BYTES);
        let log = std::fs::File::create(self.folder.path().join("backup.log"))?;
        let mut command = self.lockgate.command(&["backup", source]);
        let mut child = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        let deadline = Instant::now() + TIME_MAX;
        while !self.proxy.is_holding() {
            let is_over = child.try_wait()?.is_some() || Instant::now() > deadline;
            ensure!(!is_over, "it had no middle: {}", self.log()?);
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(child)
    }

    fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.folder.path().join("backup.log"))?)
    }

    /// What etcd's own client and lockgate say of each member.
    fn every_member_serves(&self) -> Result<()> {
        let all = self.cluster.addresses().join(",http://");
        let health = self.cluster.ctl_at(&all, &["endpoint", "health", "--write-out=json"])?;
        let health: Value = serde_json::from_str(&health)?;
        let members = health.as_array().context("no members")?;
        ensure!(
            members.len() == 3 && members.iter().all(|member| member["health"] == true),
            "{health}"
        );
        let status = self.cluster.ctl_at(&all, &["endpoint", "status", "--write-out=json"])?;
        let status: Value = serde_json::from_str(&status)?;
        let mut leaders = Vec::new();
        for member in status.as_array().context("no members")? {
            let of = |path: &str| {
                member.pointer(&format!("/Status/{path}")).cloned().unwrap_or_default()
            };
            println!(
                "etcdctl: {} version {} leader {} term {} revision {}",
                member["Endpoint"],
                of("version"),
                of("leader"),
                of("raftTerm"),
                of("header/revision")
            );
            leaders.push(of("leader").to_string());
        }
        leaders.dedup();
        ensure!(
            leaders.len() == 1 && leaders != ["0"] && leaders != ["null"],
            "leaders: {leaders:?}"
        );
        let checked = self.lockgate.ok(&["health", "settings"])?;
        let said = format!("{}{}", checked.stdout, checked.stderr);
        let serving: Vec<&str> = said.lines().filter(|line| line.contains("serves as")).collect();
        serving.iter().for_each(|line| println!("lockgate: {}", line.trim()));
        ensure!(serving.len() == 3, "{said}");
        Ok(())
    }

    fn every_member_has(&self, wanted: &[String]) -> Result<()> {
        for address in self.cluster.addresses() {
            let seen = self.seen_at(&address)?;
            ensure!(seen == wanted, "{address} has {} keys and not {}", seen.len(), wanted.len());
            println!("etcdctl: {address} reads {} keys, as they were", seen.len());
        }
        Ok(())
    }

    /// Waits until those that are left have a leader: the one that was killed may have been it.
    fn has_leader(&self) -> Result<()> {
        let begun = Instant::now();
        // Asks for a read that the members agree on.
        while let Err(error) = self.cluster.ctl_at(&self.cluster.address, &["get", "/"]) {
            ensure!(begun.elapsed() < TIME_MAX, "no leader: {error:#}");
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Number of the member that leads.
    fn leader(&self) -> Result<usize> {
        for (number, address) in self.cluster.addresses().iter().enumerate() {
            let status =
                self.cluster.ctl_at(address, &["endpoint", "status", "--write-out=json"])?;
            let status: Value = serde_json::from_str(&status)?;
            if status.pointer("/0/Status/leader") == status.pointer("/0/Status/header/member_id") {
                return Ok(number);
            }
        }
        bail!("no leader")
    }
}

/// `settings` and `file` know all members, `alone` only the first; `file` takes the physical snapshot too.
fn configuration(cluster: &Etcd, proxy: &Proxy, folder: &Path) -> String {
    let endpoint =
        |address: &String| format!("{{ address = \"{address}\", encryption = \"off\" }}");
    let mut places: Vec<String> = cluster.addresses().iter().map(endpoint).collect();
    places[0] = endpoint(&proxy.addresses()[0]);
    let secret = folder.join("secret");
    let mut text = String::new();
    for (name, is_alone) in [("settings", false), ("file", false), ("alone", true)] {
        let members = if is_alone { "" } else { "members = [\"second\", \"third\"], " };
        text.push_str(&format!(
            "[sources.{name}]\nplugin = \"etcd\"\nparallel = 2\n\
             config = {{ {members}physical-snapshot = {} }}\nendpoints.server = {}\n\
             credentials.account = {{ principal = \"root\", secret-file = \"{}\", reveal = true }}\n",
            name == "file",
            places[0],
            secret.display()
        ));
        if !is_alone {
            let others =
                format!("endpoints.second = {}\nendpoints.third = {}\n", places[1], places[2]);
            text.push_str(&others);
        }
    }
    text
}

#[test]
fn a_backup_goes_on_when_a_member_dies() -> Result<()> {
    let mut site = Site::open()?;
    let wanted = site.seen_at(&site.cluster.address)?;

    // The one that is asked, whichever it is.
    let leader = site.leader()?;
    let mut child = site.in_the_middle("settings")?;
    site.cluster.kill_member(0);
    site.proxy.release();
    let status = child.wait()?;
    let log = site.log()?;
    ensure!(status.success(), "{log}");
    let turned: Vec<&str> = log.lines().filter(|line| line.contains("another member")).collect();
    ensure!(!turned.is_empty(), "nobody turned to another member: {log}");
    println!("member 1 died (member {} led): {}", leader + 1, turned[0].trim());
    site.cluster.restart()?;
    site.lockgate.ok(&["check", "--read-data"])?;

    // One that is not asked, without another to turn to.
    site.fill(8)?;
    let mut child = site.in_the_middle("alone")?;
    site.cluster.kill_member(2);
    site.proxy.release();
    ensure!(child.wait()?.success(), "{}", site.log()?);
    println!("member 3 died, and a source that knows only member 1 went on");
    site.cluster.restart()?;

    // The only one that it knows.
    site.fill(9)?;
    let mut child = site.in_the_middle("alone")?;
    site.cluster.kill_member(0);
    site.proxy.release();
    let status = child.wait()?;
    ensure!(status.code() == Some(UNREACHABLE), "{status} {}", site.log()?);
    println!(
        "member 1 died, the only one that a source knows: {}",
        site.log()?.lines().last().unwrap_or_default()
    );
    site.cluster.restart()?;

    // What was saved while a member died is what was there.
    site.cluster.reset()?;
    site.lockgate.ok(&["restore", "latest~1", "--into", "settings"])?;
    site.every_member_has(&wanted)
}

#[test]
fn a_lost_cluster_comes_back_and_every_member_serves() -> Result<()> {
    let mut site = Site::open()?;
    let wanted = site.seen_at(&site.cluster.address)?;
    let saved = site.lockgate.summary(&["backup", "file"])?;
    println!("saved: {} parts", saved["parts"]);
    let archived = revision(&site)?;

    println!("-- all members lost; restored into three new ones");
    site.cluster.reset()?;
    let restored = site.lockgate.summary(&["restore", "latest", "--into", "settings"])?;
    site.every_member_has(&wanted)?;
    site.every_member_serves()?;
    let reached = revision(&site)?;
    println!("revision: {archived} before, {reached} now; {}", message(&restored, "revision")?);
    ensure!(reached < archived, "the new cluster counts anew");

    println!("-- disaster recovery is not for a cluster that has something");
    let refused =
        site.lockgate.run(&["restore", "latest", "--into", "settings", "--disaster-recovery"])?;
    ensure!(refused.code == Some(CONFLICT), "{refused:?}");
    println!("{}", refused.error_line());

    println!("-- all members lost; disaster recovery into three new ones");
    site.cluster.reset()?;
    let restored = site.lockgate.summary(&[
        "restore",
        "latest",
        "--into",
        "settings",
        "--disaster-recovery",
    ])?;
    site.every_member_has(&wanted)?;
    site.every_member_serves()?;
    let reached = revision(&site)?;
    println!("revision: {archived} before, {reached} now; {}", message(&restored, "revision")?);
    ensure!(reached > archived, "clients of the lost cluster would wait for the future");
    // Who remembers a revision of the lost cluster is told, and not shown another history.
    for address in site.cluster.addresses() {
        let told =
            site.cluster.ctl_at(&address, &["get", "/p0/leased", &format!("--rev={archived}")]);
        ensure!(
            told.is_err_and(|error| format!("{error:#}").contains("compacted")),
            "{address} has a history"
        );
    }

    println!("-- one new member does not serve: disaster recovery waits for the operator");
    site.cluster.reset()?;
    site.cluster.kill_member(2);
    site.has_leader()?;
    let refused =
        site.lockgate.run(&["restore", "latest", "--into", "settings", "--disaster-recovery"])?;
    ensure!(
        refused.code == Some(UNREACHABLE) && refused.error_line().contains("third"),
        "{refused:?}"
    );
    println!("{}", refused.error_line());

    println!("-- all members lost; each made of the file of the physical snapshot");
    let files = site.folder.path().join("files");
    site.lockgate.ok(&["restore", "latest", "--target", &files.display().to_string()])?;
    site.cluster.lose()?;
    for number in 0..3 {
        let mut tool = Command::new(etcdutl()?);
        tool.args(["snapshot", "restore", "--bump-revision=1000000", "--mark-compacted"]);
        tool.args(site.cluster.member_options(number)?)
            .arg(files.join("file/snapshot/snapshot.db"));
        let output = tool.output()?;
        ensure!(output.status.success(), "{output:?}");
    }
    site.cluster.restart()?;
    site.every_member_has(&wanted)?;
    site.every_member_serves()?;
    println!("revision: {archived} before, {} now", revision(&site)?);
    Ok(())
}

fn revision(site: &Site) -> Result<i64> {
    let status = site.cluster.ctl(&["endpoint", "status", "--write-out=json"])?;
    let status: Value = serde_json::from_str(&status)?;
    status.pointer("/0/Status/header/revision").and_then(Value::as_i64).context("no revision")
}

/// What the finding with this code says.
fn message(summary: &Value, code: &str) -> Result<String> {
    let findings = summary["findings"].as_array().context("no findings")?;
    let found =
        findings.iter().find(|it| it["code"] == code).with_context(|| format!("{summary}"))?;
    Ok(found["message"].to_string())
}
