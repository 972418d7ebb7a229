//! `redis-cli --rdb | restic`; restored by a start of the server with that file.

use std::fs;
use std::path::Path;

use anyhow::Result;
use lockgate_servers::{Redis, RedisOptions};

use super::shell::{Shell, line, word};
use super::{Datastore, Side, Sides, Size};

const KEYS: u64 = 500_000;

/// Every tenth key is a hash, the others are texts.
const FILL: &str = "for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local token = redis.sha1hex(i)
  if i % 10 == 0 then
    redis.call('HSET', 'cart:' .. i, 'owner', token, 'amount', i, 'note', 'three pieces of article ' .. i)
  else
    redis.call('SET', 'session:' .. i, '{\"user\":' .. i .. ',\"token\":\"' .. token .. redis.sha1hex(-i) .. '\",\"agent\":\"Mozilla/5.0 (X11; Linux x86_64)\"}')
  end
end";
/// Keys that one script makes.
const KEYS_AT_ONCE: u64 = 50_000;

struct Sessions(Sides<Redis>);

pub fn open(size: Size) -> Result<Box<dyn Datastore>> {
    // For the server's own digest of all that it has.
    let arguments = ["--enable-debug-command", "yes"].map(str::to_owned).to_vec();
    let options = RedisOptions { arguments, ..RedisOptions::default() };
    let (source, target) = (Redis::start_with(&options)?, Redis::start_with(&options)?);
    let keys = size.of(KEYS);
    for first in (1..=keys).step_by(KEYS_AT_ONCE as usize) {
        let last = (first + KEYS_AT_ONCE - 1).min(keys);
        source.command(&["EVAL", FILL, "0", &first.to_string(), &last.to_string()])?;
    }
    Ok(Box::new(Sessions(Sides { source, target })))
}

impl Datastore for Sessions {
    fn way(&self) -> &'static str {
        "redis-cli --rdb, restic"
    }

    fn source(&self, side: Side, _secret: &Path) -> String {
        format!(
            "config = {{ users = false }}\n\
             endpoints.server = {{ address = \"127.0.0.1:{}\", encryption = \"off\" }}\n",
            self.0.of(side).port
        )
    }

    fn save(&mut self, shell: &mut Shell) -> Result<()> {
        let save = line(self.0.source.client().args(["--rdb", "-"]));
        shell.run(&format!("{save} | restic backup --stdin --stdin-filename dump.rdb"))
    }

    fn restore(&mut self, shell: &mut Shell) -> Result<()> {
        self.0.target.kill();
        let file = word(self.0.target.dump_file());
        shell.run(&format!("restic dump latest dump.rdb > {file}"))?;
        self.0.target.restart()
    }

    fn empty(&mut self) -> Result<()> {
        self.0.target.kill();
        let file = self.0.target.dump_file();
        if file.exists() {
            fs::remove_file(file)?;
        }
        self.0.target.restart()
    }

    fn contents(&self, side: Side) -> Result<String> {
        let server = self.0.of(side);
        Ok(format!(
            "{} keys, {}",
            server.command(&["DBSIZE"])?,
            server.command(&["DEBUG", "DIGEST"])?
        ))
    }

    fn change(&mut self) -> Result<()> {
        self.0.target.command(&["SET", "session:1", "another"]).map(drop)
    }

    fn process(&self, side: Side) -> Option<u32> {
        Some(self.0.of(side).pid())
    }
}
