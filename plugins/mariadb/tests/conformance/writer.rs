use std::io::Write as _;
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, ensure};
use lockgate_conformance::Writer;
use lockgate_servers::MariaDb;

use crate::content::ACCOUNTS;

/// Money that moves between accounts, each time with a line in the ledger, one transaction after the other.
pub struct Transfers {
    client: Child,
    /// Another client, to count.
    counter: std::process::Command,
    before: u64,
}

impl Transfers {
    pub fn start(server: &MariaDb) -> Result<Self> {
        let mut counter = server.client();
        counter.args([
            "--batch",
            "--skip-column-names",
            "--execute",
            "SELECT COUNT(*) FROM bank.ledger",
        ]);
        let before = count(&mut counter)?;
        // It is in a database that no backup takes.
        let procedure = format!(
            "DELIMITER //\nCREATE OR REPLACE PROCEDURE mysql.move_money() BEGIN LOOP
               SET @a = FLOOR(1 + RAND() * {ACCOUNTS}), @b = FLOOR(1 + RAND() * {ACCOUNTS}), @m = FLOOR(RAND() * 100);
               START TRANSACTION;
               UPDATE bank.account SET balance = balance - @m WHERE id = @a;
               UPDATE bank.account SET balance = balance + @m WHERE id = @b;
               INSERT INTO bank.ledger (payer, payee, amount) VALUES (@a, @b, @m);
               COMMIT; END LOOP; END//\nDELIMITER ;\nCALL mysql.move_money();\n"
        );
        let mut client = server
            .client()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        client.stdin.take().context("the client has no input")?.write_all(procedure.as_bytes())?;
        Ok(Self { client, counter, before })
    }
}

impl Writer for Transfers {
    fn stop(mut self: Box<Self>) -> Result<u64> {
        ensure!(self.client.try_wait()?.is_none(), "the transfers stopped by themselves");
        self.client.kill()?;
        self.client.wait()?;
        Ok(count(&mut self.counter)?.saturating_sub(self.before))
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        // Both fail when it has ended.
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

fn count(counter: &mut std::process::Command) -> Result<u64> {
    let output = counter.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
