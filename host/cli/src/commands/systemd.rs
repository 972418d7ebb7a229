use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use lockgate_engine::configuration::Configuration;
use lockgate_engine::{Error, ErrorKind, Result};

use crate::context::{Context, configuration_file};
use crate::exit::{self, Exit};

#[derive(Args)]
pub struct Arguments {
    /// Run the service as this user, who sees only what the user may read [default: root]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

/// Capabilities of the service: what it passes on to workers with folders, and what it takes to make their jail as root.
const CAPABILITIES: &str = "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_MKNOD \
                            CAP_SETFCAP CAP_SYS_ADMIN CAP_SYS_CHROOT";

/// What the service does without, each with a reason where it is not plain. Workers jail themselves further; what a jail needs
/// (`docs/plugin-security.md`) stays allowed here.
const HARDENING: &str = "\
NoNewPrivileges=yes
UMask=0077
LimitCORE=0
LockPersonality=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictRealtime=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
# Workers leave the host's namespaces, make mounts, and filter their own system calls.
RestrictNamespaces=cgroup ipc mnt net user uts
SystemCallFilter=@system-service @mount landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp
# Not set, because it would break what lockgate is for: MemoryDenyWriteExecute (plugins are compiled to machine code),
# PrivateUsers and PrivateDevices (owners and devices could not be restored), RestrictSUIDSGID (nor modes).
";

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let program = std::env::current_exe()
        .map_err(|error| Error::new(ErrorKind::Failed, format!("own program file: {error}")))?;
    let configuration = configuration_file(context.configuration_path.as_ref());
    let configuration = configuration.unwrap_or_else(|| "/etc/lockgate/config.toml".into());
    let configuration = std::path::absolute(&configuration).unwrap_or(configuration);
    let unit =
        unit(&program, &configuration, arguments.user.as_deref(), &context.site.configuration)?;
    std::io::stdout().lock().write_all(unit.as_bytes()).ok();
    Ok(exit::OK)
}

fn unit(
    program: &Path,
    path: &Path,
    user: Option<&str>,
    configuration: &Configuration,
) -> Result<String> {
    let mut unit = format!(
        "\
# {path}: written by `lockgate systemd` for the configuration that was there; write it anew when folders are added.
[Unit]
Description=lockgate: backups of datastores
Documentation=man:lockgate(1)
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
ExecStart={} --config {} serve
# Jobs end or are put aside, and datastores come back into service, before the service ends.
KillMode=mixed
TimeoutStopSec=300
Restart=on-failure
RestartSec=5
OOMPolicy=continue
StateDirectory=lockgate
StateDirectoryMode=0700
CacheDirectory=lockgate
CacheDirectoryMode=0700
Environment=XDG_STATE_HOME=%S XDG_CACHE_HOME=%C
",
        // Variables are replaced in command lines only.
        quoted(program)?.replace('$', "$$"),
        quoted(path)?.replace('$', "$$"),
        path = "/etc/systemd/system/lockgate.service",
    );
    for name in credentials(configuration) {
        // Without a path: systemd looks for it in /etc/credstore and /etc/credstore.encrypted.
        writeln!(unit, "LoadCredential={name}").ok();
    }
    match user {
        Some(user) => {
            writeln!(unit, "User={user}\nCapabilityBoundingSet=\nAmbientCapabilities=").ok();
        }
        None => {
            writeln!(unit, "CapabilityBoundingSet={CAPABILITIES}").ok();
        }
    }
    unit.push_str("# Everything is read-only but what the configuration lets be changed.\nProtectSystem=strict\n");
    for path in changed(configuration, path) {
        // With -, because a folder that is not there yet must not keep the service from starting.
        writeln!(unit, "ReadWritePaths=-{}", quoted(&path)?).ok();
    }
    unit.push_str(HARDENING);
    unit.push_str("\n[Install]\nWantedBy=multi-user.target\n");
    Ok(unit)
}

/// Names of the credentials that systemd is to pass.
fn credentials(configuration: &Configuration) -> BTreeSet<&str> {
    let sources = configuration.sources.values();
    let all = sources.flat_map(|source| source.credentials.values());
    all.filter_map(|credential| credential.secret_credential.as_deref()).collect()
}

/// What lockgate may change by this configuration: folders that are restored, repositories on this machine, the audit log.
fn changed(configuration: &Configuration, path: &Path) -> BTreeSet<PathBuf> {
    let sources = configuration.sources.values();
    let folders = sources.flat_map(|source| source.folders.values());
    let writable = lockgate_engine::Access::ReadWrite;
    let mut changed: BTreeSet<PathBuf> = folders
        .filter(|folder| folder.access == writable)
        .map(|folder| folder.path.clone())
        .collect();
    let repositories = configuration.repositories.values();
    changed.extend(repositories.filter_map(|repository| {
        let path = repository.url.strip_prefix("fs:").unwrap_or(&repository.url);
        path.starts_with('/').then(|| PathBuf::from(path))
    }));
    let beside = path.parent().unwrap_or(Path::new("/"));
    let audit = configuration.audit.as_ref().map(|audit| beside.join(audit));
    changed.extend(audit.and_then(|audit| audit.parent().map(Path::to_path_buf)));
    changed
}

/// A path as systemd reads it: quoted, with what it would replace doubled (`systemd.syntax(7)`, `systemd.unit(5)`).
fn quoted(path: &Path) -> Result<String> {
    let text = path.to_str().filter(|text| !text.contains(char::is_control)).ok_or_else(|| {
        let message = format!("{}: systemd takes no such path", path.display());
        Error::new(ErrorKind::Configuration, message)
    })?;
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-+".contains(character);
    if text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    Ok(format!("\"{escaped}\""))
}
