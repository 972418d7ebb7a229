use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use lockgate_conformance::Writer;
use lockgate_servers::MariaDb;

use crate::content::ACCOUNTS;

/// Money that moves between accounts, each time with a line in the ledger, one transaction after the other.
pub struct Transfers {
    client: Child,
    socket: PathBuf,
    /// Number of the client's connection.
    connection: String,
    before: u64,
}

impl Transfers {
    pub fn start(server: &MariaDb) -> Result<Self> {
        let before = count(&server.socket)?;
        // It is in a database that no backup takes.
        let procedure = format!(
            "SELECT CONNECTION_ID();\nDELIMITER //\nCREATE OR REPLACE PROCEDURE mysql.move_money() BEGIN LOOP
               SET @a = FLOOR(1 + RAND() * {ACCOUNTS}), @b = FLOOR(1 + RAND() * {ACCOUNTS}), @m = FLOOR(RAND() * 100);
               START TRANSACTION;
               UPDATE bank.account SET balance = balance - @m WHERE id = @a;
               UPDATE bank.account SET balance = balance + @m WHERE id = @b;
               INSERT INTO bank.ledger (payer, payee, amount) VALUES (@a, @b, @m);
               COMMIT; END LOOP; END//\nDELIMITER ;\nCALL mysql.move_money();\n"
        );
        let mut client = server
            .client()
            .args(["--batch", "--skip-column-names", "--unbuffered"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        client.stdin.take().context("the client has no input")?.write_all(procedure.as_bytes())?;
        let mut connection = String::new();
        let output = client.stdout.take().context("the client has no output")?;
        BufReader::new(output).read_line(&mut connection)?;
        let (socket, connection) = (server.socket.clone(), connection.trim().to_owned());
        Ok(Self { client, socket, connection, before })
    }
}

impl Writer for Transfers {
    fn stop(mut self: Box<Self>) -> Result<u64> {
        ensure!(self.client.try_wait()?.is_none(), "the transfers stopped by themselves");
        // A client that went away would not be noticed by a procedure that says nothing.
        run(&self.socket, &format!("KILL HARD CONNECTION {}", self.connection))?;
        self.client.wait()?;
        Ok(count(&self.socket)?.saturating_sub(self.before))
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        // Both fail when it has ended.
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

fn count(socket: &Path) -> Result<u64> {
    Ok(run(socket, "SELECT COUNT(*) FROM bank.ledger")?.trim().parse()?)
}

fn run(socket: &Path, statement: &str) -> Result<String> {
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "--user=root", "--batch", "--skip-column-names"]);
    let output = client.arg("--socket").arg(socket).arg("--execute").arg(statement).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
