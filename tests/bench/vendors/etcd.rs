//! `etcdctl snapshot save` into a file and that into restic; restored by `etcdutl` and a start of the server.

use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use lockgate_servers::{Etcd, EtcdOptions, etcdutl};
use lockgate_tests::random::Random;

use super::shell::{Shell, line, word};
use super::{Datastore, Side, Sides, Size};

const KEYS: u64 = 100_000;
/// Keys of one transaction: more do not fit into a message of the client.
const KEYS_AT_ONCE: u64 = 2_000;

struct Settings(Sides<Etcd>);

pub fn open(size: Size) -> Result<Box<dyn Datastore>> {
    let arguments = vec!["--max-txn-ops=10000".to_owned()];
    let options = EtcdOptions { arguments, ..EtcdOptions::default() };
    let (source, target) = (Etcd::start_with(&options)?, Etcd::start_with(&options)?);
    let settings = Settings(Sides { source, target });
    let mut random = Random::new(7);
    let keys = size.of(KEYS);
    for first in (0..keys).step_by(KEYS_AT_ONCE as usize) {
        settings.put(first..keys.min(first + KEYS_AT_ONCE), &mut random)?;
    }
    Ok(Box::new(settings))
}

impl Settings {
    /// Keys as Kubernetes has them, in one transaction: no conditions, what to do then, and nothing to do else.
    fn put(&self, keys: std::ops::Range<u64>, random: &mut Random) -> Result<()> {
        let mut text = "\n".to_owned();
        for number in keys {
            let kind = ["pods", "secrets", "leases"][(number % 3) as usize];
            write!(
                text,
                "put /registry/{kind}/space-{}/name-{number} \"kind {kind} id",
                number % 40
            )?;
            for _ in 0..20 {
                write!(text, " {:016x}", random.number())?;
            }
            text.push_str("\"\n");
        }
        text.push_str("\n\n");
        let mut command = self.0.source.client();
        command.arg("txn").stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().context("run etcdctl")?;
        child.stdin.take().context("etcdctl has no input")?.write_all(text.as_bytes())?;
        ensure!(child.wait()?.success(), "etcdctl does not put keys");
        Ok(())
    }
}

impl Datastore for Settings {
    fn way(&self) -> &'static str {
        "etcdctl snapshot, restic"
    }

    fn source(&self, side: Side, _secret: &Path) -> String {
        let address = &self.0.of(side).address;
        format!("endpoints.server = {{ address = \"{address}\", encryption = \"off\" }}\n")
    }

    fn save(&mut self, shell: &mut Shell) -> Result<()> {
        let file = word(shell.folder().join("saved/snapshot.db"));
        let save = line(self.0.source.client().args(["snapshot", "save"]));
        shell.run(&format!("mkdir -p saved; {save} {file}; restic backup {file}"))
    }

    fn restore(&mut self, shell: &mut Shell) -> Result<()> {
        let (saved, restored) = (shell.folder().join("saved"), shell.folder().join("restored"));
        self.0.target.kill();
        fs::remove_dir_all(self.0.target.data()?)?;
        let member: Vec<String> = self.0.target.member()?.into_iter().map(word).collect();
        let member = member.join(" ");
        shell.run(&format!(
            "restic restore latest:{} --target {}; {} snapshot restore {} {member}",
            word(saved),
            word(&restored),
            word(etcdutl()?),
            word(restored.join("snapshot.db"))
        ))?;
        self.0.target.restart()
    }

    fn empty(&mut self) -> Result<()> {
        self.0.target.reset()
    }

    fn contents(&self, side: Side) -> Result<String> {
        let all = self.0.of(side).ctl(&["get", "", "--from-key", "--write-out=simple"])?;
        let mut hash = DefaultHasher::new();
        all.hash(&mut hash);
        Ok(format!("{} lines, {:016x}", all.lines().count(), hash.finish()))
    }

    fn change(&mut self) -> Result<()> {
        self.0.target.ctl(&["put", "/registry/pods/space-0/name-0", "another"]).map(drop)
    }

    fn process(&self, side: Side) -> Option<u32> {
        Some(self.0.of(side).pid())
    }
}
