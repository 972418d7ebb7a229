//! What a server needs to start: its settings, its accounts, an ordinary user.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::distribution::SearchProduct;
use crate::install::require;
use crate::process::run;

/// The servers refuse to run as root; this is `nobody`.
const ORDINARY_USER: u32 = 65_534;
/// Of the account that an Elasticsearch with security has from its start.
pub(super) const ADMINISTRATOR: (&str, &str) = ("lockgate-admin", "lockgate-admin");
/// bcrypt of the administrator's password, made with the fewest rounds, because it guards nothing.
const ADMINISTRATOR_HASH: &str = "$2b$04$BcfpsdrOzJsK7AnGtL6yq.ofakf9qm0Kg/5zUut7B1hEc2Wg6KG2m";
/// Of the account that backups use there, and its password: [`super::Elasticsearch::revoke`] takes it away.
pub(super) const BACKUP: (&str, &str) = ("lockgate-backup", "lockgate-backup");
/// The same of its password.
const BACKUP_HASH: &str = "$2b$04$n0x3zUU15SPf6UthVv0rgeVSJ08qdg3KlpYUEAilsuEAGBtl13U0G";

/// In the server's folder, and its own.
const FOLDERS: [&str; 5] = ["conf", "data", "logs", "temporary", SNAPSHOTS];
/// The only folder that it takes for a repository of snapshots.
pub(super) const SNAPSHOTS: &str = "snapshots";

/// Everything that the server reads and writes, in a folder that is its own.
pub(super) fn configure(
    product: SearchProduct,
    base: &Path,
    port: u16,
    transport: u16,
) -> Result<()> {
    let name = product.name();
    let conf = base.join("conf");
    for folder in FOLDERS {
        fs::create_dir(base.join(folder))?;
    }
    let security = match product {
        SearchProduct::OpenSearch => "",
        SearchProduct::Elasticsearch => {
            "xpack.security.enabled: true\nresource.reload.interval.high: 500ms\n"
        }
    };
    let settings = format!(
        "cluster.name: lockgate-test\nnode.name: one\npath.data: {0}/data\npath.logs: {0}/logs\npath.repo: {0}/{SNAPSHOTS}\n\
         network.host: 127.0.0.1\nhttp.port: {port}\ntransport.port: {transport}\ndiscovery.type: single-node\n\
         cluster.routing.allocation.disk.threshold_enabled: false\nindexing_pressure.memory.limit: 40%\n{security}",
        base.display()
    );
    fs::write(conf.join(format!("{name}.yml")), settings)?;
    fs::write(
        conf.join("jvm.options"),
        "-Xms512m\n-Xmx512m\n-XX:+UseSerialGC\n-XX:TieredStopAtLevel=1\n-XX:MaxDirectMemorySize=256m\n",
    )?;
    fs::write(
        conf.join("log4j2.properties"),
        "status = error\nappender.console.type = Console\nappender.console.name = console\n\
         appender.console.layout.type = PatternLayout\nappender.console.layout.pattern = [%d][%-5p][%c{1}] %m%n\n\
         rootLogger.level = info\nrootLogger.appenderRef.console.ref = console\n",
    )?;
    if product == SearchProduct::Elasticsearch {
        fs::write(conf.join("users"), users(true))?;
        let roles = format!("superuser:{},{}\n", ADMINISTRATOR.0, BACKUP.0);
        fs::write(conf.join("users_roles"), roles)?;
    }
    if is_root()? {
        for folder in FOLDERS {
            give_away(&base.join(folder))?;
        }
    }
    Ok(())
}

/// The accounts, as the file of them has them: the administrator, and the one for backups.
pub(super) fn users(has_backup: bool) -> String {
    let backup = if has_backup { format!("{}:{BACKUP_HASH}\n", BACKUP.0) } else { String::new() };
    format!("{}:{ADMINISTRATOR_HASH}\n{backup}", ADMINISTRATOR.0)
}

fn give_away(path: &Path) -> Result<()> {
    chown(path, Some(ORDINARY_USER), Some(ORDINARY_USER))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give_away(&entry?.path())?;
        }
    }
    Ok(())
}

pub(super) fn is_root() -> Result<bool> {
    Ok(run(Command::new("id").arg("-u"))?.trim() == "0")
}

/// The server's own script, with its environment, and as an ordinary user.
pub(super) fn command(
    product: SearchProduct,
    home: &Path,
    base: &Path,
) -> Result<(PathBuf, Vec<String>)> {
    let name = product.name();
    let java = fs::canonicalize(require("java", "openjdk-17-jre-headless")?)?;
    let java_home = java.parent().and_then(Path::parent).context("java is in no folder bin")?;
    let prefix = if product == SearchProduct::OpenSearch { "OPENSEARCH" } else { "ES" };
    let mut arguments = Vec::new();
    if is_root()? {
        let user = format!("--reuid={ORDINARY_USER}");
        let group = format!("--regid={ORDINARY_USER}");
        arguments.extend([user, group, "--clear-groups".to_owned()]);
    }
    // Changing the user has made the system forget it.
    arguments.extend(["--pdeathsig", "KILL", "--", "env"].map(str::to_owned));
    arguments.extend([
        format!("{prefix}_JAVA_HOME={}", java_home.display()),
        format!("{prefix}_PATH_CONF={}", base.join("conf").display()),
        format!("{prefix}_TMPDIR={}", base.join("temporary").display()),
        format!("HOME={}", base.join("temporary").display()),
        home.join("bin").join(name).display().to_string(),
    ]);
    Ok((require("setpriv", "util-linux")?, arguments))
}
