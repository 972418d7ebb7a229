//! The plugin against the suite. There is no server: a source is a folder whose databases a program keeps open.

mod content;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use lockgate_conformance::{
    Content, Contents, Datastore, Disguise, Renaming, Role, Selection, Server, Source, Writer,
};
use lockgate_servers::{Sqlite, SqliteProgram};

struct Databases;

/// A folder with databases.
struct Folder {
    sqlite: Sqlite,
    role: Role,
    /// Keeps the source's databases open, as an application does. A target's are in nobody's use: they could not be replaced.
    application: Option<SqliteProgram>,
}

struct Mover(SqliteProgram);

/// The database in which [`Server::write`] moves money.
const BANK: &str = "bank.db";

#[test]
fn the_driver_fills_reads_and_troubles_a_folder() -> Result<()> {
    let mut source = Databases.start(Role::Source)?;
    for content in [
        Content::Usual,
        Content::Odd,
        Content::Huge { bytes: 5_000_000 },
        Content::Many { count: 1000 },
        Content::Bulk { bytes: 1_000_000 },
    ] {
        source.clear()?;
        ensure!(source.contents()?.is_empty() && source.leftovers()?.is_empty());
        source.fill(content)?;
        let contents = source.contents()?;
        ensure!(!contents.is_empty() && contents == source.contents()?, "{content:?}");
        let damaged = contents.iter().find(|(_, state)| state.starts_with("damaged"));
        ensure!(damaged.is_none(), "{content:?}: {damaged:?}");
    }
    source.clear()?;
    source.fill(Content::Usual)?;
    let before = source.contents()?;
    let renamed = source.renaming().objects.into_iter().map(|(from, _)| from);
    for object in source.selection().objects.into_iter().chain(renamed) {
        ensure!(before.contains_key(&object), "{object} is not one of {before:?}");
    }
    let moved = source.write()?.stop()?;
    source.check_invariant()?;
    ensure!(moved > 0 && source.contents()? != before);
    source.kill()?;
    source.restart()?;
    source.check_invariant()?;
    source.revoke()?;
    ensure!(source.contents()?.is_empty());
    Ok(())
}

#[test]
fn it_conforms() -> Result<()> {
    lockgate_conformance::check(&Databases)
}

impl Datastore for Databases {
    fn plugin(&self) -> &str {
        "sqlite"
    }

    fn server_version(&self) -> Result<String> {
        Ok(format!("SQLite {}", Sqlite::version()?))
    }

    fn start(&self, role: Role) -> Result<Box<dyn Server>> {
        Ok(Box::new(Folder { sqlite: Sqlite::start()?, role, application: None }))
    }

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        let reason =
            "there is no server: a program that dies leaves its files, and the copy goes on";
        vec![("server-killed", reason), ("server-killed-in-restore", reason)]
    }
}

impl Folder {
    fn databases(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut pending = vec![self.sqlite.data()];
        while let Some(folder) = pending.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    pending.push(path);
                } else if is_database(&path) {
                    found.push(path);
                }
            }
        }
        Ok(found)
    }
}

/// Whether a program can open it: by a name that is text, and with anything in it.
fn is_database(path: &Path) -> bool {
    let ending = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
    ["db", "sqlite", "sqlite3"].contains(&ending) && fs::metadata(path).is_ok_and(|it| it.len() > 0)
}

impl Server for Folder {
    fn source(&self) -> Source {
        let mut folder = toml::Table::new();
        folder.insert("path".to_owned(), self.sqlite.data().display().to_string().into());
        folder.insert("access".to_owned(), "read-write".into());
        folder.insert("locks".to_owned(), true.into());
        let folders = toml::Table::from_iter([("data".to_owned(), folder.into())]);
        let settings = toml::Table::from_iter([("folders".to_owned(), folders.into())]);
        Source { settings, ..Source::default() }
    }

    fn clear(&mut self) -> Result<()> {
        self.application = None;
        fs::remove_dir_all(self.sqlite.data())?;
        Ok(fs::create_dir(self.sqlite.data())?)
    }

    fn fill(&mut self, content: Content) -> Result<()> {
        content::fill(&self.sqlite, content)?;
        self.restart()
    }

    fn contents(&mut self) -> Result<Contents> {
        self.sqlite.contents()
    }

    fn selection(&self) -> Selection {
        Selection {
            parts: vec![format!("data/{BANK}"), "data/deep/er/small.sqlite".to_owned()],
            objects: vec![BANK.to_owned(), "deep/er/small.sqlite".to_owned()],
        }
    }

    fn renaming(&self) -> Renaming {
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        Renaming {
            parts: Vec::new(),
            names: vec![
                pair(&format!("data/{BANK}"), "data/new folder/bank 2.db"),
                pair("data/deep", "data/shallow"),
            ],
            objects: vec![
                pair(BANK, "new%20folder/bank%202.db"),
                pair("deep/er/small.sqlite", "shallow/er/small.sqlite"),
                pair("plain.db", "plain.db"),
            ],
        }
    }

    fn write(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Mover(self.sqlite.moves("WAL", BANK)?)))
    }

    fn check_invariant(&mut self) -> Result<()> {
        let check = "PRAGMA integrity_check; SELECT sum(amount) FROM account";
        let found = self.sqlite.sql(BANK, check)?;
        ensure!(found == "ok\n2000\n", "{found:?}");
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        self.application.take().map_or(Ok(()), SqliteProgram::kill)
    }

    fn restart(&mut self) -> Result<()> {
        self.application = match self.role {
            Role::Source => Some(self.sqlite.hold(&self.databases()?)?),
            Role::Target => None,
        };
        Ok(())
    }

    fn revoke(&mut self) -> Result<()> {
        let data = self.sqlite.data();
        Ok(fs::rename(&data, data.with_file_name("revoked"))?)
    }

    fn disguise(&mut self) -> Result<Disguise> {
        // The version that a program must know to write, and the one to read.
        let file = fs::OpenOptions::new().write(true).open(self.sqlite.data().join("plain.db"))?;
        file.write_all_at(&[9, 9], 18)?;
        Ok(Disguise::Stored)
    }

    fn leftovers(&mut self) -> Result<Vec<String>> {
        content::leftovers(&self.sqlite)
    }
}

impl Writer for Mover {
    fn stop(self: Box<Self>) -> Result<u64> {
        let moved = self.0.stop().context("the program that writes")?;
        println!("{} transactions, the longest {:?}", moved.count, moved.longest);
        Ok(moved.count)
    }
}
