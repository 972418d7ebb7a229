//! `sqlite3 .backup` into a file and that into restic, while a program has the database open.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use lockgate_servers::{Sqlite, SqliteProgram};

use super::shell::{Shell, word};
use super::{Datastore, Side, Sides, Size};

const ROWS: u64 = 600_000;
const DATABASE: &str = "shop.db";

struct Files {
    sides: Sides<Sqlite>,
    _application: SqliteProgram,
}

pub fn open(size: Size) -> Result<Box<dyn Datastore>> {
    let (source, target) = (Sqlite::start()?, Sqlite::start()?);
    let rows = size.of(ROWS);
    source.sql(DATABASE, &format!(
        "PRAGMA journal_mode=WAL;
         CREATE TABLE letter(id INTEGER PRIMARY KEY, sender TEXT, received INTEGER, body TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
           INSERT INTO letter SELECT i, 'customer ' || i % 5000, 1700000000 + i,
             'Dear Sir or Madam, the reference of your order is ' || hex(randomblob(100)) || '. Yours faithfully' FROM n;
         CREATE INDEX letter_sender ON letter(sender);"
    ))?;
    let application = source.hold(&[source.data().join(DATABASE)])?;
    Ok(Box::new(Files { sides: Sides { source, target }, _application: application }))
}

impl Datastore for Files {
    fn way(&self) -> &'static str {
        "sqlite3 .backup, restic"
    }

    fn source(&self, side: Side, _secret: &Path) -> String {
        let path = self.sides.of(side).data();
        let path = path.display();
        format!("folders.data = {{ path = \"{path}\", access = \"read-write\", locks = true }}\n")
    }

    fn save(&mut self, shell: &mut Shell) -> Result<()> {
        let database = word(self.sides.source.data().join(DATABASE));
        let copy = word(shell.folder().join("saved").join(DATABASE));
        shell.run(&format!(
            "mkdir -p saved; sqlite3 {database} '.backup saved/{DATABASE}'; restic backup {copy}"
        ))
    }

    fn restore(&mut self, shell: &mut Shell) -> Result<()> {
        let (saved, target) = (word(shell.folder().join("saved")), word(self.sides.target.data()));
        shell.run(&format!("restic restore latest:{saved} --target {target}"))
    }

    fn empty(&mut self) -> Result<()> {
        fs::remove_dir_all(self.sides.target.data())?;
        Ok(fs::create_dir(self.sides.target.data())?)
    }

    fn contents(&self, side: Side) -> Result<String> {
        let contents = self.sides.of(side).contents()?;
        Ok(contents.get(DATABASE).context("there is no database")?.clone())
    }

    fn change(&mut self) -> Result<()> {
        self.sides
            .target
            .sql(DATABASE, "UPDATE letter SET sender = 'another' WHERE id = 1")
            .map(drop)
    }

    fn process(&self, _side: Side) -> Option<u32> {
        None
    }
}
