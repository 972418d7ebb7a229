//! Whether a component is the one that was locked, and if not, what differs.

use crate::Version;
use jiff::civil::Date;
use lockgate_types::{Digest, Name};

use crate::key::KeyId;
use crate::lock::{Lock, Locked};
use crate::permission::Permission;
use crate::policy::Signer;
use crate::text::listed;
use crate::{Admitted, Declaration, Signatures, Statement};

/// A component that somebody wants to run.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The component.
    pub admitted: &'a Admitted,
    /// What it declares.
    pub declaration: &'a Declaration,
    /// What lies beside it; none when there is no signature file.
    pub signatures: Option<&'a Signatures>,
}

/// Why a component may not run. Each says what was found and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant's text says what its fields are")]
pub enum Refusal {
    #[error("it is not in the lock file")]
    NotLocked,
    #[error(
        "its version {found} is older than the locked {locked}: a downgrade brings back mistakes that were corrected since"
    )]
    Downgraded { locked: Version, found: Version },
    #[error(
        "it is the old version {found}, its signature by {signer} is genuine, and the lock file has {locked}: \
         somebody replayed an old release"
    )]
    Replayed { locked: Version, found: Version, signer: Name },
    #[error("it asks for more than what was locked. It now also wants to {}", sentences(.added))]
    Widened { added: Vec<Permission> },
    #[error("its digest is {found} and the lock file has {locked}; {versions}")]
    Changed { locked: Digest, found: Digest, versions: String },
    #[error(
        "it was locked with the signature of key {}, and that is no longer there: the signature was stripped or replaced",
        keys(.missing)
    )]
    SignerChanged { missing: Vec<KeyId> },
    #[error("it has no signature file, and {needed} trusted signature(s) are demanded")]
    SignatureMissing { needed: usize },
    #[error(
        "the signature beside it by {signer} is of another component: of {} {} with digest {}, and this one has {found}",
        .said.name, .said.version, .said.digest
    )]
    SignatureOfAnother { signer: Name, said: Box<Statement>, found: Digest },
    #[error("the signature by {signer} says version {signed}, and the component says {declared}")]
    VersionMisstated { signer: Name, signed: Version, declared: Version },
    #[error("the signature that claims to be by {0} is not: it is forged or damaged")]
    Forged(Name),
    #[error("it is signed by key {0}, which is not among the trusted keys")]
    UnknownSigner(KeyId),
    #[error("it is signed by {0}, whose key is revoked")]
    Revoked(Name),
    #[error("it is signed by {0}, whose key expired on {1}")]
    Expired(Name, Date),
    #[error(
        "{needed} trusted signatures are demanded, it has those of {}; missing are {}",
        names(.found), names(.missing)
    )]
    TooFewSigners { needed: usize, found: Vec<Name>, missing: Vec<Name> },
}

fn sentences(permissions: &[Permission]) -> String {
    listed(permissions.iter().map(Permission::sentence))
}

fn keys(keys: &[KeyId]) -> String {
    listed(keys.iter().map(ToString::to_string))
}

fn names(names: &[Name]) -> String {
    listed(names.iter().map(ToString::to_string))
}

impl Refusal {
    /// The next step, with the command to type.
    #[must_use]
    pub fn hint(&self, plugin: &str) -> String {
        match self {
            Self::NotLocked => format!(
                "`lockgate plugin inspect {plugin}` says what it may do, `lockgate plugin lock {plugin}` accepts it"
            ),
            Self::Downgraded { .. } | Self::Replayed { .. } => format!(
                "put the locked version back; if the older one is wanted: `lockgate plugin grant {plugin} --allow-downgrade`"
            ),
            Self::Widened { .. } => {
                format!(
                    "if it may: `lockgate plugin grant {plugin}`; if not, put the old version back"
                )
            }
            Self::Changed { .. } => {
                format!("if it was updated on purpose: `lockgate plugin update {plugin}`")
            }
            Self::SignerChanged { .. } => format!(
                "get the signature file again; if the signer changed on purpose: `lockgate plugin grant {plugin}`"
            ),
            Self::SignatureMissing { .. } => {
                "put the signature file beside it, named as the component with .sig behind"
                    .to_owned()
            }
            Self::SignatureOfAnother { .. } | Self::VersionMisstated { .. } | Self::Forged(_) => {
                "get component and signature file again, from the same release".to_owned()
            }
            Self::UnknownSigner(_) | Self::TooFewSigners { .. } => {
                "get the missing signatures, or add the signer's public key to [trust.keys]"
                    .to_owned()
            }
            Self::Revoked(_) | Self::Expired(..) => {
                "get a release that is signed with a current key".to_owned()
            }
        }
    }
}

/// What differs between a lock entry and a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Permissions that the component asks for and the entry does not cover.
    pub added: Vec<Permission>,
    /// Permissions of the entry that the component no longer asks for.
    pub removed: Vec<Permission>,
    /// The versions, when they differ: of the entry, of the component.
    pub version: Option<(Version, Version)>,
    /// The contract's versions, when they differ.
    pub contract: Option<(String, String)>,
    /// The digests, when they differ.
    pub digest: Option<(Digest, Digest)>,
    /// Signers of the entry that did not sign the component.
    pub signers_missing: Vec<KeyId>,
    /// Signers of the component that the entry has not.
    pub signers_new: Vec<KeyId>,
}

impl Changes {
    /// From `old` to `new`.
    #[must_use]
    pub fn between(old: &Locked, new: &Locked) -> Self {
        let beyond = |one: &Locked, other: &Locked| {
            one.permissions.beyond(&other.permissions).into_iter().cloned().collect()
        };
        let without = |one: &Locked, other: &Locked| {
            one.signers.iter().filter(|key| !other.signers.contains(key)).copied().collect()
        };
        Self {
            added: beyond(new, old),
            removed: beyond(old, new),
            version: differing(&old.version, &new.version),
            contract: differing(&old.contract, &new.contract),
            digest: differing(&old.digest, &new.digest),
            signers_missing: without(old, new),
            signers_new: without(new, old),
        }
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.digest.is_none() && self.signers_missing.is_empty() && self.signers_new.is_empty()
    }

    /// In sentences.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.version.iter().map(|(a, b)| format!("version {a} becomes {b}")));
        lines.extend(self.contract.iter().map(|(a, b)| format!("contract {a} becomes {b}")));
        lines.extend(self.digest.iter().map(|(a, b)| format!("digest {a} becomes {b}")));
        lines.extend(self.added.iter().map(|it| format!("it may now also {}", it.sentence())));
        lines.extend(self.removed.iter().map(|it| format!("it may no longer {}", it.sentence())));
        let keys = self.signers_missing.iter();
        lines.extend(keys.map(|key| format!("key {key} has not signed it any more")));
        lines.extend(self.signers_new.iter().map(|key| format!("key {key} has signed it")));
        lines
    }
}

fn differing<T: PartialEq + Clone>(one: &T, other: &T) -> Option<(T, T)> {
    (one != other).then(|| (one.clone(), other.clone()))
}

impl Candidate<'_> {
    /// The lock entry that would accept it.
    #[must_use]
    pub fn entry(&self, signers: &[Signer]) -> Locked {
        Locked {
            version: self.declaration.version.clone(),
            contract: self.admitted.contract.clone().unwrap_or_default(),
            digest: self.admitted.digest,
            signers: signers.iter().map(|signer| signer.key).collect(),
            permissions: self.declaration.permissions(),
        }
    }
}

impl Lock {
    /// The keys that signed exactly this component when it was locked.
    #[must_use]
    pub fn pinned(&self, candidate: &Candidate<'_>) -> &[KeyId] {
        let entry = self.plugins.get(&candidate.declaration.name);
        entry
            .filter(|entry| entry.digest == candidate.admitted.digest)
            .map_or(&[], |entry| entry.signers.as_slice())
    }

    /// Whether the candidate is the component that was locked.
    ///
    /// # Errors
    /// With what differs; a lower version before a signer, a signer before a wider request, that before other changes.
    pub fn check(&self, candidate: &Candidate<'_>, signers: &[Signer]) -> Result<(), Refusal> {
        let entry = self.plugins.get(&candidate.declaration.name).ok_or(Refusal::NotLocked)?;
        let found = candidate.entry(signers);
        let changes = Changes::between(entry, &found);
        if found.version.is_older_than(&entry.version) {
            let (locked, found) = (entry.version.clone(), found.version);
            return Err(match signers.first() {
                Some(signer) => Refusal::Replayed { locked, found, signer: signer.name.clone() },
                None => Refusal::Downgraded { locked, found },
            });
        }
        if !changes.signers_missing.is_empty() {
            return Err(Refusal::SignerChanged { missing: changes.signers_missing });
        }
        if !changes.added.is_empty() {
            return Err(Refusal::Widened { added: changes.added });
        }
        match changes.digest {
            None => Ok(()),
            Some((locked, digest)) => {
                let versions = match changes.version {
                    None => format!("both say version {}", found.version),
                    Some((old, new)) => format!("version {old} became {new}"),
                };
                Err(Refusal::Changed { locked, found: digest, versions })
            }
        }
    }
}
