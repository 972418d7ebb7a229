//! Eight datastores of one platform. Each is filled and looked at by its own maker's client, never by a plugin.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use lockgate_servers::{
    Age, Elasticsearch, Etcd, EtcdRelease, KeyKind, OpenSsl, PostgreSql, Redis, SearchProduct,
    Sqlite, ZooKeeper,
};
use lockgate_tests::bank::{Bank, empty_server};
use tempfile::TempDir;

/// Of the account that backs up PostgreSQL.
const KEEPER: (&str, &str) = ("keeper", "keeper's secret");

pub struct Datastores {
    pub bank: Bank,
    orders: PostgreSql,
    sessions: Redis,
    settings: Etcd,
    tree: ZooKeeper,
    search: Elasticsearch,
    stock: Sqlite,
    certificates: TempDir,
    secrets: TempDir,
    age: Age,
}

impl Datastores {
    /// Fresh servers with the accounts that a backup needs, and nothing else. `age` opens what the certificates are sealed for.
    pub fn empty(age: &Age) -> Result<Self> {
        let orders = PostgreSql::start()?;
        let (name, secret) = KEEPER;
        let secret = secret.replace('\'', "''");
        orders
            .sql("postgres", &format!("CREATE ROLE {name} SUPERUSER LOGIN PASSWORD '{secret}'"))?;
        Ok(Self {
            bank: Bank { server: empty_server()? },
            orders,
            sessions: Redis::start()?,
            settings: Etcd::start(EtcdRelease::V3_4)?,
            tree: ZooKeeper::start()?,
            search: Elasticsearch::start(SearchProduct::Elasticsearch)?,
            stock: Sqlite::start()?,
            certificates: TempDir::new()?,
            secrets: TempDir::new()?,
            age: age.clone(),
        })
    }

    /// Puts something into each.
    pub fn fill(&self) -> Result<()> {
        self.bank.server.sql(
            "CREATE DATABASE bank; USE bank;
             CREATE TABLE account (id INT PRIMARY KEY, owner VARCHAR(64) NOT NULL, balance BIGINT NOT NULL, KEY (owner));
             INSERT INTO account SELECT seq, CONCAT('owner ', MD5(seq)), 1000 FROM seq_1_to_20000;",
        )?;
        self.orders.sql("postgres", "CREATE DATABASE shop")?;
        self.orders.sql(
            "shop",
            "CREATE TABLE orders (id BIGINT PRIMARY KEY, what TEXT, paid NUMERIC(12, 2));
             INSERT INTO orders SELECT n, md5(n::text), n * 1.25 FROM generate_series(1, 20000) n;",
        )?;
        self.sessions.script(
            &(0..1000).map(|n| format!("SET session:{n} user-{n}\n")).collect::<String>(),
        )?;
        for number in 0..50 {
            self.settings.ctl(&[
                "put",
                &format!("/settings/{number}"),
                &format!("value {number}"),
            ])?;
        }
        self.zookeeper(&["usual"])?;
        for number in 0..20 {
            let document = format!("{{\"title\": \"document {number}\", \"number\": {number}}}");
            self.search.client.request("PUT", &format!("/library/_doc/{number}"), &document)?;
        }
        self.stock.sql("stock.db", "CREATE TABLE parts (id INTEGER PRIMARY KEY, name TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO parts SELECT i, 'part ' || i FROM n;")?;
        let folder = self.certificates.path();
        OpenSsl::find()?.pair(
            &folder.join("www.key"),
            &folder.join("www.pem"),
            KeyKind::P256,
            90,
        )?;
        Ok(())
    }

    /// What each holds, as its own client tells it.
    pub fn look(&self) -> Result<BTreeMap<&'static str, String>> {
        self.search.client.request("POST", "/_refresh", "")?;
        let found =
            self.search.client.request("GET", "/library/_search?size=100&sort=number", "")?;
        let found: serde_json::Value = serde_json::from_str(&found)?;
        let documents = found["hits"]["hits"].as_array().context("no hits")?;
        let sources: Vec<String> =
            documents.iter().map(|document| document["_source"].to_string()).collect();
        let keys = "local all = redis.call('KEYS', '*'); table.sort(all); local told = {}; \
                    for _, key in ipairs(all) do told[#told + 1] = key .. '=' .. redis.call('GET', key) end; \
                    return table.concat(told, ' ')";
        Ok(BTreeMap::from([
            (
                "bank",
                self.bank
                    .server
                    .sql("CHECKSUM TABLE bank.account; SHOW CREATE TABLE bank.account")?,
            ),
            (
                "orders",
                self.orders.sql(
                    "shop",
                    "SELECT md5(string_agg(o::text, ' ' ORDER BY id)) FROM orders o",
                )?,
            ),
            ("sessions", self.sessions.command(&["EVAL", keys, "0"])?),
            ("settings", self.settings.ctl(&["get", "/settings/", "--prefix"])?),
            (
                "tree",
                serde_json::from_str::<serde_json::Value>(&self.zookeeper(&["dump"])?)?.to_string(),
            ),
            ("search", sources.join("\n")),
            ("stock", format!("{:?}", self.stock.contents()?)),
            ("certificates", self.files()?),
        ]))
    }

    /// One file for all of it: repository, sources, set.
    pub fn configuration(&self, repository: &Path, password: &Path) -> Result<String> {
        let secret = |name: &str, text: &str| -> Result<String> {
            let path = self.secrets.path().join(name);
            fs::write(&path, text)?;
            Ok(path.display().to_string())
        };
        let identity = fs::read_to_string(&self.age.identity)?;
        let key = identity
            .lines()
            .find(|line| line.starts_with("AGE-SECRET-KEY-"))
            .context("no identity")?;
        let (search_name, search_secret) = self.search.account().context("no account")?;
        let zookeeper = self.tree.ports().first().copied().context("no member")?;
        Ok(format!(
            include_str!("configuration.toml"),
            repository = repository.display(),
            password = password.display(),
            bank = self.bank.server.port,
            bank_secret = secret("bank", lockgate_tests::bank::BACKUP_PASSWORD)?,
            orders = self.orders.port,
            orders_user = KEEPER.0,
            orders_secret = secret("orders", KEEPER.1)?,
            sessions = self.sessions.port,
            settings = self.settings.address,
            tree = zookeeper,
            tree_user = ZooKeeper::SUPER.0,
            tree_secret = secret("tree", ZooKeeper::SUPER.1)?,
            search = self.search.client.port,
            search_user = search_name,
            search_secret = secret("search", search_secret)?,
            stock = self.stock.data().display(),
            certificates = self.certificates.path().display(),
            recipient = self.age.recipient,
            identity = secret("identity", key)?,
        ))
    }

    fn zookeeper(&self, arguments: &[&str]) -> Result<String> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../plugins/zookeeper/tests/conformance/client.py");
        let port = self.tree.ports().first().copied().context("no member")?;
        // The system's own, which sees the packages of the system.
        let mut command = Command::new("/usr/bin/python3");
        let output =
            command.arg(program).arg(format!("127.0.0.1:{port}")).args(arguments).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(String::from_utf8(output.stdout)?)
    }

    fn files(&self) -> Result<String> {
        let mut told = Vec::new();
        for entry in fs::read_dir(self.certificates.path())? {
            let path = entry?.path();
            told.push(format!("{}: {}", path.display(), fs::read_to_string(&path)?));
        }
        told.sort();
        // Fresh folders have other names.
        Ok(told.join("\n").replace(&self.certificates.path().display().to_string(), ""))
    }
}
