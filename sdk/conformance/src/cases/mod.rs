//! The cases, in the order in which they run: first what must work, then what goes wrong.

mod content;
mod maintenance;
mod restore;
mod server;
mod stop;
mod storage;

use anyhow::Result;

use crate::report::Verdict;
use crate::trial::Trial;

/// One case.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What it shows, in one line.
    pub(crate) shows: &'static str,
    pub(crate) run: fn(&mut Trial<'_>) -> Result<Verdict>,
    pub(crate) spoils: Spoils,
}

/// Which servers are of no use for the next case.
#[derive(Clone, Copy)]
pub(crate) struct Spoils {
    pub(crate) source: bool,
    pub(crate) target: bool,
}

const NOTHING: Spoils = Spoils { source: false, target: false };
const SOURCE: Spoils = Spoils { source: true, target: false };
const TARGET: Spoils = Spoils { source: false, target: true };

const fn case(
    name: &'static str,
    shows: &'static str,
    spoils: Spoils,
    run: fn(&mut Trial<'_>) -> Result<Verdict>,
) -> Case {
    Case { name, shows, run, spoils }
}

/// All of them.
#[rustfmt::skip]
pub(crate) const ALL: [Case; 23] = [
    case("empty", "a store without content is saved and restored", NOTHING, content::empty),
    case("huge-value", "one huge value is saved and restored in little memory", NOTHING, content::huge_value),
    case("many-values", "a great many small values are saved and restored", NOTHING, content::many_values),
    case("odd-names", "names and values that go wrong elsewhere are saved and restored", NOTHING, content::odd_names),
    case("concurrent-writes", "what is saved while a program writes is of one moment", NOTHING, content::concurrent_writes),
    case("unchanged", "a second backup of what did not change stores less than 1 % of the bytes", NOTHING, content::unchanged),
    case("fingerprint", "fingerprints after a restore are those of the backup", NOTHING, restore::fingerprint),
    case("restore-twice", "a second restore over the first one gives the same", NOTHING, restore::restore_twice),
    case("restore-non-empty", "what is there is replaced only when that is asked for", NOTHING, restore::restore_non_empty),
    case("rename", "objects are restored under other names", NOTHING, restore::rename),
    case("selective-restore", "some parts are restored, and nothing else", NOTHING, restore::selective_restore),
    case("dry-run", "the plan of a restore names all parts and changes nothing", NOTHING, restore::dry_run),
    case("nothing-left", "nothing is left on the servers", NOTHING, server::nothing_left),
    case("slow-server", "a slow server makes it slow, and nothing else", NOTHING, server::slow_server),
    case("slow-storage", "a slow storage makes it slow, and nothing else", NOTHING, storage::slow_storage),
    case("back-pressure", "a slow storage slows the reading of the server, in bounded memory", NOTHING, storage::back_pressure),
    case("disk-full", "a full storage is told, and loses nothing", NOTHING, storage::disk_full),
    case("cancel", "it is stopped at any byte without a trace", NOTHING, stop::cancel),
    case("server-killed", "a server that dies in the middle of a backup is told; nothing half is kept", SOURCE, stop::server_killed),
    case("server-killed-in-restore", "a server that dies in the middle of a restore is told; the next one succeeds", TARGET, stop::server_killed_in_restore),
    case("revoked-credential", "a credential that is worth nothing any more is told by its name", SOURCE, server::revoked_credential),
    case("maintenance", "clients are held off, twice is once, and leaving lets them write again", NOTHING, maintenance::maintenance),
    case("wrong-version", "a server of an unknown version is refused, with what is known", SOURCE, server::wrong_version),
];

/// The case of that name.
pub(crate) fn find(name: &str) -> Option<&'static Case> {
    ALL.iter().find(|case| case.name == name)
}
