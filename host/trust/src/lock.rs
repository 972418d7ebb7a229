//! `plugins.lock`: exactly which components may run here, and what each may ask for.

use std::collections::{BTreeMap, BTreeSet};

use crate::Version;
use lockgate_types::{Digest, Name};
use serde::{Deserialize, Serialize};

use crate::key::KeyId;
use crate::permission::{PERMISSIONS_COUNT_MAX, Permissions};
use crate::text::plain;

/// Largest lock file, in bytes.
pub const LOCK_BYTES_MAX: usize = 4 << 20;

/// Version of the file's own form.
const FORM: u32 = 1;

/// What stands above the entries.
const PREAMBLE: &str = "\
# Which plugins may run here, and what each may ask for. Written by `lockgate plugin lock`, `grant` and `update`; keep it in
# version control with the configuration. `lockgate plugin inspect NAME` explains an entry in sentences.
";

/// The content of a lock file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// By the plugin's name.
    pub plugins: BTreeMap<Name, Locked>,
}

/// One plugin that may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// Of the plugin.
    pub version: Version,
    /// Version of the contract that it was built for.
    pub contract: String,
    /// SHA-256 of the component.
    pub digest: Digest,
    /// Trusted keys that had signed it.
    pub signers: Vec<KeyId>,
    /// What it may ask for.
    pub permissions: Permissions,
}

/// Why a text is no lock file. Safe to print.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LockError(String);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    version: u32,
    #[serde(default)]
    plugins: BTreeMap<Name, EntryForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct EntryForm {
    version: Version,
    contract: String,
    digest: Digest,
    signers: Vec<KeyId>,
    grant_hash: Digest,
    permissions: Vec<String>,
}

impl Lock {
    /// Reads a lock file.
    ///
    /// # Errors
    /// When it is not one, is of another form, or an entry's permissions are not those of its grant hash.
    pub fn parse(bytes: &[u8]) -> Result<Self, LockError> {
        let fault = |text: String| Err(LockError(text));
        if bytes.len() > LOCK_BYTES_MAX {
            return fault(format!("has {} bytes, more than 4 MiB", bytes.len()));
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return fault("is not UTF-8 text".to_owned());
        };
        let file: FileForm = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text.get(..start).map_or(0, |before| before.matches('\n').count() + 1);
            LockError(format!("line {line}: {}", plain(error.message(), 300)))
        })?;
        if file.version != FORM {
            return fault(format!("has form {}, and this program knows form {FORM}", file.version));
        }
        let entry = |(name, form): (Name, EntryForm)| {
            let entry = form.check().map_err(|why| LockError(format!("plugin {name}: {why}")))?;
            Ok((name, entry))
        };
        Ok(Self { plugins: file.plugins.into_iter().map(entry).collect::<Result<_, _>>()? })
    }

    /// As it stands in the file.
    ///
    /// # Errors
    /// Never in practice: all of it has a form in TOML.
    pub fn text(&self) -> Result<String, LockError> {
        let entry = |(name, locked): (&Name, &Locked)| {
            let form = EntryForm {
                version: locked.version.clone(),
                contract: locked.contract.clone(),
                digest: locked.digest,
                signers: locked.signers.clone(),
                grant_hash: locked.permissions.hash(),
                permissions: locked.permissions.lines(),
            };
            (name.clone(), form)
        };
        let plugins = self.plugins.iter().map(entry).collect();
        let body = toml::to_string_pretty(&FileForm { version: FORM, plugins })
            .map_err(|error| LockError(error.to_string()))?;
        Ok(format!("{PREAMBLE}{body}"))
    }
}

impl EntryForm {
    fn check(self) -> Result<Locked, String> {
        if self.contract.len() > 40 || plain(&self.contract, 40) != self.contract {
            return Err("its contract is no version".to_owned());
        }
        if self.permissions.len() > PERMISSIONS_COUNT_MAX {
            return Err(format!("more than {PERMISSIONS_COUNT_MAX} permissions"));
        }
        let parsed: Result<BTreeSet<_>, crate::PermissionError> =
            self.permissions.iter().map(|line| line.parse()).collect();
        let permissions = Permissions(parsed.map_err(|error| error.to_string())?);
        if permissions.hash() != self.grant_hash || permissions.lines() != self.permissions {
            return Err("its permissions do not fit its grant-hash: the entry was edited; \
                 `lockgate plugin grant` writes it anew"
                .to_owned());
        }
        let Self { version, contract, digest, signers, .. } = self;
        Ok(Locked { version, contract, digest, signers, permissions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretKey;

    fn lock() -> Lock {
        let locked = Locked {
            version: "0.1.0".parse().unwrap(),
            contract: "0.1.0".to_owned(),
            digest: Digest([9; 32]),
            signers: vec![SecretKey::generate().unwrap().public().id()],
            permissions: Permissions(["clock", "folder * read"].map(|l| l.parse().unwrap()).into()),
        };
        Lock { plugins: BTreeMap::from([("files".parse().unwrap(), locked)]) }
    }

    #[test]
    fn locks_are_read_back() {
        let text = lock_text();
        assert_eq!(Lock::parse(text.as_bytes()).unwrap().text().unwrap(), text);
        assert!(text.starts_with("# Which plugins"), "{text}");
        assert_eq!(Lock::parse(b"version = 1").unwrap(), Lock::default());
    }

    fn lock_text() -> String {
        lock().text().unwrap()
    }

    #[test]
    fn edited_entries_are_refused() {
        let text = lock_text();
        for (from, to, says) in [
            ("folder * read", "folder * write", "was edited"),
            ("    \"clock\",\n", "", "was edited"),
            ("\"clock\",", "\"clock\", \"clock\",", "was edited"),
            ("\"clock\",", "\"cl\\u001b[31mock\",", "neither a permission"),
            ("version = 1", "version = 2", "knows form 1"),
            ("version = 1", "version = 1\ncolour = 2", "line 4: unknown field"),
            ("digest = \"09", "digest = \"9", "64 hexadecimal"),
        ] {
            assert!(text.contains(from), "{from} is not in {text}");
            let error = Lock::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(error.to_string().contains(says), "{to}: {error}");
            assert!(crate::text::is_plain(&error.to_string()), "{error:?}");
        }
    }
}
