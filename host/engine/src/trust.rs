//! The lock file on this machine, and who may change it: the operator, by a command.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use lockgate_trust::{
    Changes, Grants, LOCK_BYTES_MAX, Limits, Lock, Locked, Policy, Refusal, Root, Signature,
    Signer, effective,
};
use lockgate_types::Name;

use crate::configuration::Source;
use crate::{Error, ErrorKind, Plugin, Plugins, Result};

/// Which plugins may run here.
pub struct Trust {
    /// Whose signatures count.
    pub policy: Policy,
    path: PathBuf,
    lock: Lock,
}

/// What a command found out about a plugin and its lock entry.
pub struct Review {
    /// The entry that accepts the plugin as it is now.
    pub entry: Locked,
    /// Trusted keys that signed it.
    pub signers: Vec<Signer>,
    /// Why it may not run now; none when it may.
    pub refusal: Option<Refusal>,
    /// What differs from its lock entry; none when it has none.
    pub changes: Option<Changes>,
}

impl Trust {
    /// Reads the lock file. When there is none, no plugin is locked.
    ///
    /// # Errors
    /// When it cannot be read or is damaged, or the policy cannot be met.
    pub fn open(path: PathBuf, policy: Policy) -> Result<Self> {
        let wrong = |kind, cause: String| {
            Error::new(kind, format!("lock file {}: {cause}", path.display()))
        };
        policy.check().map_err(|error| {
            Error::new(ErrorKind::Configuration, format!("configuration: trust: {error}"))
                .with_hint("correct [trust] in the configuration")
        })?;
        let lock = match fs::read(&path) {
            Ok(bytes) => Lock::parse(&bytes).map_err(|error| {
                wrong(ErrorKind::Untrusted, error.to_string())
                    .with_hint("put the file back from version control, or remove it and lock anew")
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Lock::default(),
            Err(error) => return Err(wrong(ErrorKind::Configuration, error.to_string())),
        };
        Ok(Self { policy, path, lock })
    }

    /// Where the lock file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is locked.
    #[must_use]
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Whether the plugin may run.
    ///
    /// # Errors
    /// With what differs from the lock file or from what the policy demands, and the command to type next.
    pub fn check(&self, plugin: &Plugin) -> Result<()> {
        let candidate = plugin.candidate();
        let signers = self.policy.signers(&candidate, today(), self.lock.pinned(&candidate));
        signers
            .and_then(|signers| self.lock.check(&candidate, &signers))
            .map_err(|refusal| refused(plugin, &refusal))
    }

    /// Everything that an operator has to know before accepting the plugin.
    ///
    /// # Errors
    /// When its signatures do not satisfy the policy: then there is nothing to accept.
    pub fn review(&self, plugin: &Plugin) -> Result<Review> {
        let candidate = plugin.candidate();
        let signers = self
            .policy
            .signers(&candidate, today(), self.lock.pinned(&candidate))
            .map_err(|refusal| refused(plugin, &refusal))?;
        let entry = candidate.entry(&signers);
        let refusal = self.lock.check(&candidate, &signers).err();
        let locked = self.lock.plugins.get(&plugin.name);
        let changes = locked.map(|locked| Changes::between(locked, &entry));
        Ok(Review { entry, signers, refusal, changes })
    }

    /// Every signature beside the plugin, with the operator's name for its key when it is trusted and the signature is genuine.
    #[must_use]
    pub fn signatures<'a>(&self, plugin: &'a Plugin) -> Vec<(&'a Signature, Option<Name>)> {
        let named = |signature: &Signature| {
            let genuine = |(_, root): &(&Name, &Root)| signature.is_by(&root.key);
            self.policy.roots.iter().find(genuine).map(|(name, _)| name.clone())
        };
        let all = plugin.signatures.iter().flat_map(|file| file.iter());
        all.map(|signature| (signature, named(signature))).collect()
    }

    /// Writes an entry into the lock file, whole or not at all.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn accept(&mut self, name: &Name, entry: Locked) -> Result<()> {
        self.lock.plugins.insert(name.clone(), entry);
        let text = self.lock.text().map_err(|error| self.unwritable(&error))?;
        if text.len() > LOCK_BYTES_MAX {
            return Err(self.unwritable(&"it would be larger than 4 MiB"));
        }
        let unfinished = self.path.with_extension(format!("lock.{}", std::process::id()));
        let written =
            write_new(&unfinished, &text).and_then(|()| fs::rename(&unfinished, &self.path));
        written.map_err(|error| {
            fs::remove_file(&unfinished).ok();
            self.unwritable(&error)
        })
    }

    fn unwritable(&self, cause: &dyn std::fmt::Display) -> Error {
        Error::new(ErrorKind::Failed, format!("lock file {}: {cause}", self.path.display()))
    }
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn today() -> jiff::civil::Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// A refusal as the operator reads it.
pub fn refused(plugin: &Plugin, refusal: &Refusal) -> Error {
    Error::new(
        ErrorKind::Untrusted,
        format!("plugin {} ({}): {refusal}", plugin.name, plugin.path.display()),
    )
    .with_hint(refusal.hint(plugin.name.as_str()))
}

/// What the plugin may reach for `source`: what it asks for and what the configuration gives.
///
/// # Errors
/// With every point in which the two do not fit.
/// Whether the plugin of a source is installed and content with what the configuration gives it. Runs nothing.
///
/// # Errors
/// When the plugin is not there or was built for another version of the contract, and each grant that it does not ask for, or
/// asks for in vain.
pub fn fits(plugins: &Plugins, name: &Name, source: &Source) -> Result<()> {
    let plugin = plugins.find(&source.plugin)?;
    plugin.check_contract()?;
    both_sides(&plugin, name.as_str(), &source.grants(), &source.limits).map(|_| ())
}

pub(crate) fn both_sides(
    plugin: &Plugin,
    source: &str,
    given: &Grants,
    limits: &Limits,
) -> Result<(Grants, Limits)> {
    effective(&plugin.declaration, given, limits).map_err(|mismatches| {
        let messages: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
        let hints: Vec<&str> = mismatches.iter().map(lockgate_trust::Mismatch::hint).collect();
        let message = format!("source {source}: {}", messages.join("; "));
        Error::new(ErrorKind::Configuration, message).with_hint(hints.join("; "))
    })
}
