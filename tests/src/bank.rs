//! A bank in a real MariaDB server: accounts between which money moves all the time, so that a backup that is not of one
//! moment shows another sum.

use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, ensure};
use lockgate_servers::MariaDb;

use crate::{Lockgate, Site};

/// Password of the account that backs up.
pub const BACKUP_PASSWORD: &str = "backup secret";

/// What the account that backs up and restores is allowed to do.
const GRANTS: &str = "ALL PRIVILEGES";

/// A server with the bank's tables, and the way lockgate reaches it.
pub struct Bank {
    /// The server.
    pub server: MariaDb,
}

/// Transfers that go on until they are stopped.
pub struct Transfers(Child);

impl Bank {
    /// Starts a server with `accounts` accounts of 1000 each, and everything else that a schema can have.
    ///
    /// # Errors
    /// When the server cannot be had.
    pub fn open(accounts: u64) -> Result<Self> {
        let server = MariaDb::start()?;
        server.sql(&format!(
            "CREATE USER 'backup'@'%' IDENTIFIED BY '{BACKUP_PASSWORD}'; GRANT {GRANTS} ON *.* TO 'backup'@'%' WITH GRANT OPTION;
             CREATE DATABASE bank; USE bank;
             CREATE TABLE account (id INT PRIMARY KEY, owner VARCHAR(64) NOT NULL, balance BIGINT NOT NULL, KEY (owner));
             INSERT INTO account SELECT seq, CONCAT('owner ', MD5(seq)), 1000 FROM seq_1_to_{accounts};"
        ))?;
        Ok(Self { server })
    }

    /// Adds a view, a trigger, a routine, an event, an odd table and a user.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn decorate(&self) -> Result<()> {
        self.server.sql(
            "USE bank;
             CREATE TABLE kinds (id INT AUTO_INCREMENT PRIMARY KEY, d DECIMAL(20,5), f DOUBLE, b BLOB, j JSON, t DATETIME(6),
               e ENUM('a','b'), s SET('x','y'), bits BIT(9), txt TEXT CHARACTER SET latin1, n INT NULL,
               g INT GENERATED ALWAYS AS (n * 2) STORED);
             INSERT INTO kinds (d, f, b, j, t, e, s, bits, txt, n) VALUES
               (1.5, 0.1, 0x00ff0a5c27, '{\"a\": [1, 2]}', '2024-02-29 12:00:00.000001', 'b', 'x,y', b'101', 'M\u{fc}nze', NULL),
               (-99999.99999, -1e300, '', 'null', '1000-01-01 00:00:00', 'a', '', b'0', 'quote '' and \\\\ slash', 7);
             CREATE TABLE `odd name/with.dots` (`käy` VARCHAR(20) PRIMARY KEY); INSERT INTO `odd name/with.dots` VALUES ('ü'), ('b');
             CREATE TABLE audit (id BIGINT AUTO_INCREMENT PRIMARY KEY, what TEXT);
             CREATE VIEW rich AS SELECT id, owner FROM account WHERE balance > 1000;
             CREATE TRIGGER kinds_log AFTER INSERT ON kinds FOR EACH ROW INSERT INTO audit (what) VALUES (NEW.id);
             CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2;
             CREATE EVENT cleanup ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM audit;
             CREATE USER 'teller'@'localhost' IDENTIFIED BY 'teller secret'; GRANT SELECT ON bank.account TO 'teller'@'localhost';",
        )?;
        Ok(())
    }

    /// Moves money between random accounts, one transaction after the other, until the value is dropped.
    ///
    /// # Errors
    /// When the client cannot be started.
    pub fn transfer(&self, accounts: u64) -> Result<Transfers> {
        let mut child = self
            .server
            .client()
            .arg("bank")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut input = child.stdin.take().context("the client has no input")?;
        use std::io::Write as _;
        let routine = format!(
            "DELIMITER //\nCREATE OR REPLACE PROCEDURE mysql.move_money() BEGIN LOOP
               SET @a = FLOOR(1 + RAND() * {accounts}), @b = FLOOR(1 + RAND() * {accounts}), @m = FLOOR(RAND() * 100);
               START TRANSACTION;
               UPDATE bank.account SET balance = balance - @m WHERE id = @a;
               UPDATE bank.account SET balance = balance + @m WHERE id = @b;
               COMMIT; END LOOP; END//\nDELIMITER ;\nCALL mysql.move_money();\n"
        );
        input.write_all(routine.as_bytes())?;
        Ok(Transfers(child))
    }

    /// Sum of all balances and number of accounts in a database.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn sum(&self, database: &str) -> Result<String> {
        self.server.sql(&format!("SELECT SUM(balance), COUNT(*) FROM `{database}`.account"))
    }

    /// A `lockgate` whose configuration has the source `shop` on this server, and `other` on another when there is one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn configure(&self, site: &Site, other: Option<&MariaDb>) -> Result<Lockgate> {
        std::fs::write(site.path("secret"), BACKUP_PASSWORD)?;
        let mut text = source("shop", self.server.port, &site.text("secret"));
        if let Some(other) = other {
            text.push_str(&source("other", other.port, &site.text("secret")));
        }
        site.configured(&text)
    }
}

/// A source of the `mariadb` plugin that takes the bank and the users.
#[must_use]
pub fn source(name: &str, port: u16, secret: &str) -> String {
    format!(
        "[sources.{name}]\nplugin = \"mariadb\"\nparallel = 2\nconfig = {{ include = [\"bank\"] }}\nendpoints.server = {{ address = \"127.0.0.1:{port}\", encryption = \"off\" }}\ncredentials.account = {{ principal = \"backup\", secret-file = \"{secret}\" }}\n\n"
    )
}

impl Transfers {
    /// Stops them.
    ///
    /// # Errors
    /// When they had stopped already.
    pub fn stop(mut self) -> Result<()> {
        ensure!(self.0.try_wait()?.is_none(), "the transfers stopped by themselves");
        Ok(())
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A second, empty server that accepts the same account.
///
/// # Errors
/// When the server cannot be had.
pub fn empty_server() -> Result<MariaDb> {
    let server = MariaDb::start()?;
    server.sql(&format!(
        "CREATE USER 'backup'@'%' IDENTIFIED BY '{BACKUP_PASSWORD}'; GRANT {GRANTS} ON *.* TO 'backup'@'%' WITH GRANT OPTION;"
    ))?;
    Ok(server)
}
