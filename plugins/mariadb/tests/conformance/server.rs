use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use lockgate_conformance::{
    Attempt, Content, Contents, Disguise, Endpoint, Renaming, Selection, Server, Source, Writer,
};
use lockgate_servers::MariaDb;
use tempfile::TempDir;

use crate::content;
use crate::writer::Transfers;

const ATTEMPT: &str = "INSERT INTO bank.attempt VALUES (1); DELETE FROM bank.attempt";
const PASSWORD: &str = "backup secret";

/// Databases and accounts that are the server's or the driver's own.
const OWN_DATABASES: &str = "'information_schema', 'performance_schema', 'mysql', 'sys'";
const OWN_USERS: &str = "'root', 'mariadb.sys', 'mysql', 'PUBLIC', 'backup'";

/// A server, and the account that backs up and restores.
pub struct Account {
    server: MariaDb,
    folder: TempDir,
    config: toml::Table,
}

impl Account {
    pub fn open(config: toml::Table) -> Result<Self> {
        let server = MariaDb::start()?;
        server.sql(&format!(
            "CREATE USER 'backup'@'%' IDENTIFIED BY '{PASSWORD}';
             GRANT ALL PRIVILEGES ON *.* TO 'backup'@'%' WITH GRANT OPTION"
        ))?;
        let folder = TempDir::new()?;
        fs::write(folder.path().join("secret"), PASSWORD)?;
        Ok(Self { server, folder, config })
    }

    /// First columns of a query.
    fn names(&self, query: &str) -> Result<Vec<String>> {
        Ok(self.server.sql(query)?.lines().map(str::to_owned).collect())
    }

    fn databases(&self) -> Result<Vec<String>> {
        self.names(&format!(
            "SELECT HEX(SCHEMA_NAME) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ({OWN_DATABASES}) ORDER BY 1"
        ))
    }

    fn users(&self) -> Result<Vec<String>> {
        self.names(&format!(
            "SELECT CONCAT(QUOTE(User), IF(is_role = 'Y', '', CONCAT('@', QUOTE(Host)))) FROM mysql.user WHERE User NOT IN ({OWN_USERS}) 
             ORDER BY is_role, 1"
        ))
    }
}

/// A name as an identifier, of its bytes in hexadecimal.
fn name_of(hex: &str) -> Result<String> {
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2).unwrap_or_default(), 16);
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect::<Result<_, _>>()?;
    Ok(String::from_utf8(bytes)?)
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

impl Server for Account {
    fn source(&self) -> Source {
        let endpoint = Endpoint {
            address: format!("127.0.0.1:{}", self.server.port),
            settings: toml::Table::from_iter([("encryption".to_owned(), "off".into())]),
        };
        let secret = self.folder.path().join("secret").display().to_string();
        let mut settings = toml::toml! {
            parallel = 2
            credentials.account = { principal = "backup" }
        };
        settings["credentials"]["account"]
            .as_table_mut()
            .map(|account| account.insert("secret-file".to_owned(), secret.into()));
        settings.insert("config".to_owned(), self.config.clone().into());
        Source { endpoints: BTreeMap::from([("server".to_owned(), endpoint)]), settings }
    }

    fn clear(&mut self) -> Result<()> {
        let mut statements = String::new();
        for database in self.databases()? {
            statements.push_str(&format!("DROP DATABASE {};\n", quoted(&name_of(&database)?)));
        }
        for user in self.users()? {
            let kind = if user.contains('@') { "USER" } else { "ROLE" };
            statements.push_str(&format!("DROP {kind} {user};\n"));
        }
        self.server.sql(&statements)?;
        Ok(())
    }

    fn fill(&mut self, content: Content) -> Result<()> {
        self.server.sql(&content::statements(content))?;
        Ok(())
    }

    fn contents(&mut self) -> Result<Contents> {
        let mut contents = Contents::new();
        for hex in self.databases()? {
            let database = name_of(&hex)?;
            let made = self.server.sql(&format!("SHOW CREATE DATABASE {}", quoted(&database)))?;
            contents.insert(format!("database {database}"), made);
            self.tables(&database, &mut contents)?;
            self.programs(&hex, &database, &mut contents)?;
        }
        for user in self.users()? {
            let show = if user.contains('@') {
                format!("SHOW CREATE USER {user};")
            } else {
                String::new()
            };
            let mut grants = self.names(&format!("{show} SHOW GRANTS FOR {user}"))?;
            grants.sort();
            contents.insert(format!("user {user}"), grants.join("\n"));
        }
        Ok(contents)
    }

    fn selection(&self) -> Selection {
        Selection {
            parts: ["shop/_schema", "shop/item"].map(str::to_owned).to_vec(),
            objects: ["database shop", "table shop.item"].map(str::to_owned).to_vec(),
        }
    }

    fn renaming(&self) -> Renaming {
        Renaming {
            parts: ["bank/_schema", "bank/account"].map(str::to_owned).to_vec(),
            names: vec![("bank.account".to_owned(), "bank.account_before".to_owned())],
            objects: vec![(
                "table bank.account".to_owned(),
                "table bank.account_before".to_owned(),
            )],
        }
    }

    fn write(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Transfers::start(&self.server)?))
    }

    fn check_invariant(&mut self) -> Result<()> {
        let wrong = self.server.sql(
            "SELECT CONCAT('account ', a.id, ' has ', a.balance) FROM bank.account a
               LEFT JOIN (SELECT id, SUM(m) AS m FROM (SELECT payee AS id, amount AS m FROM bank.ledger
                 UNION ALL SELECT payer, -amount FROM bank.ledger) AS both_sides GROUP BY id) AS l ON l.id = a.id
               WHERE a.balance <> 1000 + COALESCE(l.m, 0) LIMIT 3",
        )?;
        ensure!(wrong.is_empty(), "accounts and ledger are of different moments: {wrong}");
        let sum = self
            .server
            .sql("SELECT SUM(balance) - 1000 * COUNT(*), COUNT(*) > 0 FROM bank.account")?;
        ensure!(sum.trim() == "0\t1", "money was made or lost: {sum}");
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
        self.server.sql("ALTER USER 'backup'@'%' IDENTIFIED BY 'another'")?;
        Ok(())
    }

    fn disguise(&mut self) -> Result<Disguise> {
        let version = self.server.sql("SELECT VERSION()")?;
        let version = version.trim();
        let (_, rest) = version.split_once('.').context("no version")?;
        let other = format!("99.{rest}");
        ensure!(other.len() == version.len(), "{version}");
        Ok(Disguise::Replies(vec![(version.into(), other.into())]))
    }

    fn attempt(&mut self) -> Result<Attempt> {
        // Whoever sets up the clerk may write at any time.
        self.server.sql(
            "CREATE USER IF NOT EXISTS 'clerk'@'localhost' IDENTIFIED BY 'c'; GRANT ALL PRIVILEGES ON bank.* TO 'clerk'@'localhost';
             CREATE TABLE IF NOT EXISTS bank.attempt (n INT)",
        )?;
        let mut client = self.server.client();
        client.args(["--user=clerk", "--password=c", "--execute", ATTEMPT]);
        let output = client.output().context("run the mariadb client")?;
        Ok(match output.status.success() {
            true => Attempt::Done,
            false => Attempt::HeldOff(String::from_utf8_lossy(&output.stderr).into_owned()),
        })
    }

    fn leftovers(&mut self) -> Result<Vec<String>> {
        self.names(
            "SELECT CONCAT('session ', ID, ' ', COMMAND, ' ', COALESCE(INFO, '')) FROM information_schema.PROCESSLIST
               WHERE USER = 'backup';
             SELECT CONCAT('table ', TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.TABLES
               WHERE TABLE_NAME LIKE '%lockgate%'",
        )
    }
}

impl Account {
    /// Definition and checksum of each table, definition of each view, state of each sequence.
    fn tables(&self, database: &str, contents: &mut Contents) -> Result<()> {
        let listed = self.names(&format!(
            "SELECT CONCAT(HEX(TABLE_NAME), ' ', TABLE_TYPE) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} ORDER BY 1",
            text(database)
        ))?;
        for line in listed {
            let (hex, kind) = line.split_once(' ').context("a name and a kind")?;
            let name = name_of(hex)?;
            let full = format!("{}.{}", quoted(database), quoted(&name));
            let (kind, query) = match kind {
                "VIEW" => ("view", format!("SHOW CREATE VIEW {full}")),
                "SEQUENCE" => ("sequence", format!("SELECT * FROM {full}")),
                _ => (
                    "table",
                    format!(
                        "SHOW CREATE TABLE {full}; SELECT COUNT(*) FROM {full}; CHECKSUM TABLE {full} EXTENDED"
                    ),
                ),
            };
            // The name stands in the key: under another one the object is the same.
            let said = self.server.sql(&query)?;
            let said =
                said.replace(&quoted(&name), "?").replace(&format!("{database}.{name}\t"), "?\t");
            let said = said.strip_prefix(&format!("{name}\t")).unwrap_or(&said).to_owned();
            contents.insert(format!("{kind} {database}.{name}"), said);
        }
        Ok(())
    }

    /// Triggers, routines and events.
    fn programs(&self, hex: &str, database: &str, contents: &mut Contents) -> Result<()> {
        let lines = self.names(&format!(
            "SELECT CONCAT('trigger ', TRIGGER_NAME),
               HEX(CONCAT_WS('|', EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT, SQL_MODE, DEFINER))
               FROM information_schema.TRIGGERS WHERE HEX(TRIGGER_SCHEMA) = '{hex}';
             SELECT CONCAT(LOWER(ROUTINE_TYPE), ' ', ROUTINE_NAME),
               HEX(CONCAT_WS('|', DTD_IDENTIFIER, ROUTINE_DEFINITION, IS_DETERMINISTIC, SECURITY_TYPE, SQL_MODE, ROUTINE_COMMENT, DEFINER))
               FROM information_schema.ROUTINES WHERE HEX(ROUTINE_SCHEMA) = '{hex}';
             SELECT CONCAT('event ', EVENT_NAME),
               HEX(CONCAT_WS('|', EVENT_DEFINITION, EVENT_TYPE, INTERVAL_VALUE, INTERVAL_FIELD, STATUS, ON_COMPLETION, DEFINER))
               FROM information_schema.EVENTS WHERE HEX(EVENT_SCHEMA) = '{hex}'"
        ))?;
        for line in lines {
            let (name, definition) = line.split_once('\t').context("a name and a definition")?;
            let (kind, name) = name.split_once(' ').context("a kind and a name")?;
            contents.insert(format!("{kind} {database}.{name}"), name_of(definition)?);
        }
        Ok(())
    }
}

/// A text as SQL has it.
fn text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
