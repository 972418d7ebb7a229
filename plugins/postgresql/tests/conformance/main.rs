//! PostgreSQL for the conformance suite.

mod content;

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lockgate_conformance::{
    Attempt, Content, Contents, Datastore, Disguise, Endpoint, Renaming, Role, Selection, Server,
    Source, Writer,
};
use lockgate_servers::PostgreSql;

use content::{ACCOUNTS, MAIN};

/// The account that lockgate uses.
const ACCOUNT: &str = "keeper";
const PASSWORD: &str = "keeper's secret";
/// As everybody is held off who does not ask for more, this is tried as the owner.
const ATTEMPT: &str = "CREATE TABLE attempt (n INT); DROP TABLE attempt";
/// A session takes a moment to end after its client went.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(10);

/// PostgreSQL.
struct Kind;

#[test]
fn it_conforms() -> Result<()> {
    lockgate_conformance::check(&Kind)
}

struct Running {
    server: PostgreSql,
}

impl Datastore for Kind {
    fn plugin(&self) -> &str {
        "postgresql"
    }

    fn server_version(&self) -> Result<String> {
        let server = PostgreSql::start()?;
        Ok(format!("PostgreSQL {}", server.sql("postgres", "SHOW server_version")?.trim()))
    }

    fn start(&self, _role: Role) -> Result<Box<dyn Server>> {
        let server = PostgreSql::start()?;
        let password = PASSWORD.replace('\'', "''");
        server.sql(
            "postgres",
            &format!("CREATE ROLE {ACCOUNT} SUPERUSER LOGIN PASSWORD '{password}'"),
        )?;
        Ok(Box::new(Running { server }))
    }
}

impl Server for Running {
    fn source(&self) -> Source {
        let mut account = toml::Table::new();
        account.insert("principal".to_owned(), ACCOUNT.into());
        account.insert(
            "secret-command".to_owned(),
            toml::Value::Array(vec!["printf".into(), "%s".into(), PASSWORD.into()]),
        );
        let mut config = toml::Table::new();
        config.insert("databases".to_owned(), toml::Value::Array(vec!["*".into()]));
        let mut settings = toml::Table::new();
        settings.insert("parallel".to_owned(), 3.into());
        settings.insert("config".to_owned(), config.into());
        settings.insert(
            "credentials".to_owned(),
            toml::Table::from_iter([("account".to_owned(), account.into())]).into(),
        );
        let endpoint = Endpoint {
            address: format!("{}:{}", self.server.host, self.server.port),
            settings: toml::Table::from_iter([("encryption".to_owned(), "off".into())]),
        };
        Source { endpoints: BTreeMap::from([("server".to_owned(), endpoint)]), settings }
    }

    fn clear(&mut self) -> Result<()> {
        // psql runs each line that `\gexec` gets by itself, as DROP DATABASE wants.
        self.server.sql(
            "template1",
            "SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE NOT datistemplate \\gexec
             CREATE DATABASE postgres;
             SELECT format('DROP OWNED BY %I CASCADE', rolname) FROM pg_roles
               WHERE rolname !~ '^pg_' AND rolname NOT IN ('postgres', 'keeper') \\gexec
             SELECT format('DROP ROLE %I', rolname) FROM pg_roles WHERE rolname !~ '^pg_' AND rolname NOT IN ('postgres', 'keeper') \\gexec",
        )?;
        Ok(())
    }

    fn fill(&mut self, content: Content) -> Result<()> {
        content::fill(&self.server, content)
    }

    fn contents(&mut self) -> Result<Contents> {
        content::contents(&self.server)
    }

    fn selection(&self) -> Selection {
        let key = |what: &str| format!("{MAIN}: {what}; Schema: public; Owner: postgres");
        let objects = vec![
            format!("{MAIN}:"),
            key("plain; Type: TABLE"),
            key("plain; Type: TABLE DATA"),
            key("plain plain_pkey; Type: CONSTRAINT"),
            format!("database {MAIN}|keeper|||C.UTF-8|-1|"),
        ];
        Selection { parts: vec![format!("{MAIN}/public/plain")], objects }
    }

    fn renaming(&self) -> Renaming {
        let same = |what: &str| (format!("{MAIN}: {what}"), format!("other: {what}"));
        let objects = vec![
            same("customer; Type: TABLE; Schema: shop; Owner: postgres"),
            same("customer; Type: TABLE DATA; Schema: shop; Owner: postgres"),
            same("big; Type: VIEW; Schema: shop; Owner: postgres"),
            same("plain; Type: TABLE DATA; Schema: public; Owner: postgres"),
        ];
        Renaming { parts: Vec::new(), names: vec![(MAIN.to_owned(), "other".to_owned())], objects }
    }

    fn write(&mut self) -> Result<Box<dyn Writer>> {
        let mut client = self.server.client("psql");
        client.args(["-XqAt", "-c", "CALL public.move_money()", MAIN]);
        let child =
            client.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Box::new(Transfers {
            child,
            began: Instant::now(),
            client: self.server.client("psql"),
            count: self.server.client("psql"),
        }))
    }

    fn check_invariant(&mut self) -> Result<()> {
        let sum = self.server.sql(
            MAIN,
            "SELECT (SELECT sum(balance) FROM public.giro) + (SELECT sum(balance) FROM public.savings), count(*) FROM public.giro",
        )?;
        let expected = format!("{}|{ACCOUNTS}", u64::from(ACCOUNTS) * 2_000);
        ensure!(sum.trim() == expected, "sum and number of accounts are {sum} and not {expected}");
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        self.server.kill();
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.server.restart()
    }

    fn revoke(&mut self) -> Result<()> {
        self.server.sql("postgres", &format!("ALTER ROLE {ACCOUNT} PASSWORD 'another'")).map(drop)
    }

    fn disguise(&mut self) -> Result<Disguise> {
        // "15.20 (Debian 15.20-0+deb12u1)"
        let version = self.server.sql("postgres", "SHOW server_version")?;
        let version = version.split_whitespace().next().context("the server has no version")?;
        let (_, minor) = version.split_once('.').context("the version has one number")?;
        let said = |version: &str| format!("server_version\0{version}").into_bytes();
        Ok(Disguise::Replies(vec![(said(version), said(&format!("99.{minor}")))]))
    }

    fn attempt(&mut self) -> Result<Attempt> {
        let mut client = self.server.client("psql");
        client.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-c", ATTEMPT, MAIN]);
        let output = client.output().context("run psql")?;
        Ok(match output.status.success() {
            true => Attempt::Done,
            false => Attempt::HeldOff(String::from_utf8_lossy(&output.stderr).into_owned()),
        })
    }

    fn leftovers(&mut self) -> Result<Vec<String>> {
        let began = Instant::now();
        loop {
            let left = self.server.sql(
                "postgres",
                "SELECT format('session of %s in %s: %s', usename, datname, query) FROM pg_stat_activity WHERE usename = 'keeper'
                 UNION ALL SELECT format('lock %s of %s', mode, pid) FROM pg_locks WHERE pid <> pg_backend_pid() AND locktype = 'relation'
                 UNION ALL SELECT format('prepared transaction %s', gid) FROM pg_prepared_xacts",
            )?;
            if left.is_empty() || began.elapsed() > LEFTOVER_PATIENCE {
                return Ok(left.lines().map(str::to_owned).collect());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Money that moves.
struct Transfers {
    child: Child,
    began: Instant,
    client: std::process::Command,
    count: std::process::Command,
}

impl Writer for Transfers {
    fn stop(mut self: Box<Self>) -> Result<u64> {
        ensure!(self.child.try_wait()?.is_none(), "the transfers stopped by themselves");
        // The first transfers may still be on their way.
        std::thread::sleep(Duration::from_millis(300).saturating_sub(self.began.elapsed()));
        let question = "SELECT last_value FROM public.moves";
        let output = self.count.args(["-XqAt", "-c", question, MAIN]).output()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().context("count the transfers")
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        // The server does not notice that its client is gone while it moves money.
        let stop = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL public.move_money%'";
        let _ = self.client.args(["-XqAt", "-c", stop, MAIN]).output();
        // It has ended by that, or before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The suite believes what the driver says, so that has to be looked at first.
#[test]
fn the_driver_fills_sees_and_clears() -> Result<()> {
    let mut server = Kind.start(Role::Source)?;
    let fresh = server.contents()?;
    let small = [
        Content::Odd,
        Content::Many { count: 1_000 },
        Content::Huge { bytes: 3 << 20 },
        Content::Bulk { bytes: 1 << 20 },
        Content::Usual,
    ];
    for content in small {
        server.clear()?;
        ensure!(server.contents()? == fresh, "{content:?}: something is left");
        server.fill(content)?;
        let filled = server.contents()?;
        ensure!(filled.len() > fresh.len() + 3, "{content:?}: {filled:?}");
        ensure!(server.contents()? == filled, "{content:?} looks different each time");
    }
    let contents = server.contents()?;
    let expected = server.selection().objects.into_iter();
    let expected = expected.chain(server.renaming().objects.into_iter().map(|(old, _)| old));
    for key in expected.filter(|key| !key.starts_with("database ")) {
        ensure!(contents.contains_key(&key), "no {key} in {:?}", contents.keys());
    }
    let writer = server.write()?;
    std::thread::sleep(Duration::from_secs(1));
    ensure!(writer.stop()? > 10, "nothing moves");
    server.check_invariant()?;
    ensure!(server.contents()? != contents, "changes are not seen");
    server.kill()?;
    server.restart()?;
    ensure!(server.leftovers()?.is_empty());
    Ok(())
}
