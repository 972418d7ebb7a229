//! How each program is called. `{data}`, `{folder}`, `{repository}` and `{step}` stand for the data, a folder of the program's own, its
//! repository and the name of the step.

use std::path::{Path, PathBuf};

use anyhow::Result;

type Words = Vec<&'static str>;

/// A backup program and its commands.
pub struct Tool {
    pub name: &'static str,
    pub version: &'static str,
    /// Whether it compresses: all others of a table then do or do not, too.
    pub compresses: bool,
    /// Whether it opens again what it sealed, and compares it, before that counts as stored.
    pub verifies: bool,
    pub program: PathBuf,
    pub environment: Vec<(&'static str, &'static str)>,
    /// Files that are there before the first command: the name in its folder, and the text.
    pub files: Vec<(&'static str, String)>,
    /// Before everything else; not measured.
    pub init: Vec<Words>,
    pub backup: Words,
    /// The same with the data of one entry on standard input; none where the program has no such way.
    pub stream: Option<Words>,
    pub restore: Words,
    pub check: Words,
}

/// What the bucket of a server is reached with; all programs take the account from the environment.
pub struct Bucket {
    pub endpoint: String,
    pub name: String,
    pub access_key: String,
    pub secret_key: String,
}

/// lockgate, set not to verify, as most programs are that cannot.
pub const UNVERIFIED: &str = "lockgate, unverified";

/// Which programs can be had, with compression or without; lockgate in both ways of verifying.
pub fn all(lockgate: &Path, wanted: &str, compresses: bool, bucket: Option<&Bucket>) -> Vec<Tool> {
    let mut tools = vec![
        self::lockgate(lockgate, compresses, true, bucket),
        self::lockgate(lockgate, compresses, false, bucket),
    ];
    for name in wanted.split_whitespace() {
        let tool = match name {
            "restic" => restic(compresses, bucket),
            "rustic" => rustic(compresses, bucket),
            "kopia" => kopia(compresses, bucket),
            "borg" if bucket.is_none() => borg(compresses),
            "plakar" if bucket.is_none() => plakar(compresses),
            "borg" | "plakar" => continue,
            other => Err(anyhow::anyhow!(
                "BENCH_PEERS: {other} is none of restic, rustic, kopia, borg, plakar"
            )),
        };
        match tool {
            Ok(tool) => tools.push(tool),
            Err(error) => eprintln!("{name} is left out: {error:#}"),
        }
    }
    tools
}

fn lockgate(program: &Path, compresses: bool, verifies: bool, bucket: Option<&Bucket>) -> Tool {
    let compression = if compresses { "auto" } else { "off" };
    let url = bucket.map_or("fs:{folder}/repository".to_owned(), location);
    // The server keeps its objects as files of this machine.
    let options = bucket.map_or("", |_| "options = { consistent-listings = \"true\" }\n");
    let text = format!(
        "[repositories.bench]\nurl = \"{url}\"\n{options}write = {{ compression = \"{compression}\", verify = {verifies} }}\n"
    );
    Tool {
        name: if verifies { "lockgate" } else { UNVERIFIED },
        version: env!("CARGO_PKG_VERSION"),
        compresses,
        verifies,
        program: program.to_owned(),
        environment: vec![
            ("LOCKGATE_CONFIG", "{folder}/lockgate.toml"),
            ("LOCKGATE_REPOSITORY", "bench"),
            ("LOCKGATE_PASSWORD", "bench"),
            ("LOCKGATE_CACHE", "{folder}/../lockgate-code"),
            ("LOCKGATE_AUDIT", "{folder}/audit.jsonl"),
            ("LOCKGATE_STATE", "{folder}/state.sqlite"),
            ("XDG_CONFIG_HOME", "{folder}/configuration"),
        ],
        files: vec![("lockgate.toml", text)],
        init: vec![vec!["plugin", "lock"], vec!["init"]],
        // Half of the data gone looks like a mistake to it, which `small` with a change never is.
        backup: vec!["backup", "--folder", "{data}"],
        stream: None,
        restore: vec!["restore", "latest", "--target", "{folder}/restored"],
        check: vec!["check", "--read-data"],
    }
}

fn location(bucket: &Bucket) -> String {
    format!("s3:{}/{}/{{folder-name}}", bucket.endpoint, bucket.name)
}

fn restic(compresses: bool, bucket: Option<&Bucket>) -> Result<Tool> {
    let compression = if compresses { "auto" } else { "off" };
    let mut environment = vec![
        ("RESTIC_PASSWORD", "bench"),
        ("RESTIC_CACHE_DIR", "{folder}/cache"),
        ("RESTIC_COMPRESSION", compression),
    ];
    let mut files = Vec::new();
    match bucket {
        Some(bucket) => {
            environment.push(("RESTIC_REPOSITORY_FILE", "{folder}/location"));
            files.push(("location", location(bucket)));
        }
        None => environment.push(("RESTIC_REPOSITORY", "{folder}/repository")),
    }
    Ok(Tool {
        name: "restic",
        version: "0.18.1",
        compresses,
        verifies: true,
        program: lockgate_servers::restic()?,
        environment,
        files,
        init: vec![vec!["init"]],
        backup: vec!["backup", "{data}"],
        stream: Some(vec!["backup", "--stdin", "--stdin-filename", "stream"]),
        restore: vec!["restore", "latest", "--target", "{folder}/restored"],
        check: vec!["check", "--read-data"],
    })
}

fn rustic(compresses: bool, bucket: Option<&Bucket>) -> Result<Tool> {
    let level = if compresses { "3" } else { "0" };
    let mut profile = "[repository]\npassword = \"bench\"\n".to_owned();
    match bucket {
        None => profile += "repository = \"{folder}/repository\"\n",
        Some(bucket) => {
            profile += &format!(
                "repository = \"opendal:s3\"\n[repository.options]\nbucket = \"{}\"\nendpoint = \"{}\"\nregion = \"us-east-1\"\n\
                 root = \"/{{folder-name}}\"\naccess_key_id = \"{}\"\nsecret_access_key = \"{}\"\n",
                bucket.name, bucket.endpoint, bucket.access_key, bucket.secret_key
            );
        }
    }
    Ok(Tool {
        name: "rustic",
        version: lockgate_servers::RUSTIC,
        compresses,
        verifies: true,
        program: lockgate_servers::rustic()?,
        environment: vec![
            ("RUSTIC_NO_PROGRESS", "true"),
            ("XDG_CACHE_HOME", "{folder}/cache"),
            ("XDG_CONFIG_HOME", "{folder}/configuration"),
        ],
        files: vec![("configuration/rustic/rustic.toml", profile)],
        init: vec![vec!["init", "--set-compression", level]],
        backup: vec!["backup", "{data}"],
        stream: Some(vec!["backup", "--stdin-filename", "stream", "-"]),
        restore: vec!["restore", "latest", "{folder}/restored"],
        check: vec!["check", "--read-data"],
    })
}

fn kopia(compresses: bool, bucket: Option<&Bucket>) -> Result<Tool> {
    let compression = if compresses { "--compression=zstd" } else { "--compression=none" };
    let create = match bucket {
        None => vec!["repository", "create", "filesystem", "--path", "{folder}/repository"],
        Some(_) => vec![
            "repository",
            "create",
            "s3",
            "--bucket",
            "{bucket}",
            "--endpoint",
            "{endpoint}",
            "--disable-tls",
            "--prefix",
            "{folder-name}/",
            "--access-key",
            "{access-key}",
            "--secret-access-key",
            "{secret-key}",
        ],
    };
    Ok(Tool {
        name: "kopia",
        version: "0.22.3",
        compresses,
        verifies: false,
        program: lockgate_servers::kopia()?,
        environment: vec![
            ("KOPIA_PASSWORD", "bench"),
            ("KOPIA_CONFIG_PATH", "{folder}/kopia.config"),
            ("KOPIA_CACHE_DIRECTORY", "{folder}/cache"),
            ("KOPIA_LOG_DIR", "{folder}/log"),
            ("KOPIA_CHECK_FOR_UPDATES", "false"),
        ],
        files: Vec::new(),
        init: vec![create, vec!["policy", "set", "--global", compression]],
        backup: vec!["snapshot", "create", "--no-progress", "{data}"],
        stream: Some(vec![
            "snapshot",
            "create",
            "--no-progress",
            "--stdin-file",
            "stream",
            "{folder}/stream",
        ]),
        restore: vec![
            "snapshot",
            "restore",
            "--no-progress",
            "{data}",
            "{folder}/restored",
            "--snapshot-time",
            "latest",
        ],
        check: vec!["snapshot", "verify", "--verify-files-percent=100"],
    })
}

fn borg(compresses: bool) -> Result<Tool> {
    let compression = if compresses { "zstd,3" } else { "none" };
    let backup = vec!["create", "--compression", compression, "::{step}", "{data}"];
    let stream = vec!["create", "--compression", compression, "::{step}", "-"];
    Ok(Tool {
        name: "borg",
        version: "1.2.4",
        compresses,
        verifies: false,
        program: lockgate_servers::borg()?,
        environment: vec![
            ("BORG_REPO", "{folder}/repository"),
            ("BORG_PASSPHRASE", "bench"),
            ("BORG_BASE_DIR", "{folder}/borg"),
            ("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes"),
        ],
        files: Vec::new(),
        init: vec![vec!["init", "--encryption", "repokey-blake2"]],
        backup,
        stream: Some(stream),
        restore: vec!["extract", "::changed backup"],
        check: vec!["check", "--verify-data"],
    })
}

fn plakar(compresses: bool) -> Result<Tool> {
    let at = [
        "-cachedir",
        "{folder}/cache",
        "-configdir",
        "{folder}/configuration",
        "-datadir",
        "{folder}/own",
        "at",
        "{folder}/repository",
    ];
    let words = |more: &[&'static str]| [&at[..], more].concat();
    let mut create = words(&["create", "-weak-passphrase"]);
    if !compresses {
        create.push("-no-compression");
    }
    Ok(Tool {
        name: "plakar",
        version: "1.1.4",
        compresses,
        verifies: false,
        program: lockgate_servers::plakar()?,
        environment: vec![("PLAKAR_PASSPHRASE", "bench"), ("HOME", "{folder}")],
        files: Vec::new(),
        init: vec![create],
        backup: words(&["backup", "-no-progress", "{data}"]),
        stream: None,
        restore: words(&["restore", "-to", "{folder}/restored"]),
        check: words(&["check"]),
    })
}
