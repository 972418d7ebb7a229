//! Whose signatures count.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use lockgate_types::Name;
use serde::Deserialize;

use crate::key::{KeyId, PublicKey};
use crate::signature::Signature;
use crate::verdict::{Candidate, Refusal};

/// The keys that the operator trusts, and how many of them must have signed. Without keys no signature is asked for.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// How many.
    pub rule: Rule,
    /// By the operator's own names.
    pub roots: BTreeMap<Name, Root>,
}

/// How many of the trusted keys must have signed a plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RuleText")]
pub enum Rule {
    /// One of them.
    #[default]
    Any,
    /// Each that is not revoked.
    All,
    /// At least so many, 1 or more.
    Minimum(usize),
}

/// A rule as it stands in TOML: `"any"`, `"all"` or a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum RuleText {
    Word(String),
    Number(usize),
}

impl TryFrom<RuleText> for Rule {
    type Error = &'static str;

    fn try_from(text: RuleText) -> Result<Self, Self::Error> {
        match text {
            RuleText::Word(word) if word == "any" => Ok(Self::Any),
            RuleText::Word(word) if word == "all" => Ok(Self::All),
            RuleText::Number(number) if number > 0 => Ok(Self::Minimum(number)),
            _ => Err("expected \"any\", \"all\" or a number from 1"),
        }
    }
}

/// A key that the operator trusts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Root {
    /// The public key.
    pub key: PublicKey,
    /// The last day, in UTC, on which it may bring in something new. What is locked already keeps running.
    pub expires: Option<Date>,
    /// Whether nothing that it signed counts any more, locked or not.
    #[serde(default)]
    pub revoked: bool,
}

/// A trusted key that signed a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// What the operator calls it.
    pub name: Name,
    /// Of the key.
    pub key: KeyId,
}

/// A policy that cannot be met or contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// One key under two names would count twice.
    #[error("keys {0} and {1} are the same key")]
    SameKey(Name, Name),
    /// More signatures than keys.
    #[error("{needed} signatures are demanded, and {usable} keys could give them")]
    TooFewKeys {
        /// How many are demanded.
        needed: usize,
        /// Keys that are not revoked.
        usable: usize,
    },
}

impl Policy {
    /// Checks that it can be met.
    ///
    /// # Errors
    /// When it cannot, or a key is there twice.
    pub fn check(&self) -> Result<(), PolicyError> {
        let mut seen = BTreeMap::new();
        for (name, root) in &self.roots {
            if let Some(first) = seen.insert(root.key.id(), name) {
                return Err(PolicyError::SameKey(first.clone(), name.clone()));
            }
        }
        let usable = self.roots.values().filter(|root| !root.revoked).count();
        match self.needed() {
            needed if needed > usable => Err(PolicyError::TooFewKeys { needed, usable }),
            _ => Ok(()),
        }
    }

    /// How many trusted keys must have signed.
    #[must_use]
    pub fn needed(&self) -> usize {
        let usable = self.roots.values().filter(|root| !root.revoked).count();
        match self.rule {
            Rule::Any if self.roots.is_empty() => 0,
            Rule::All if self.roots.is_empty() => 0,
            Rule::Any => 1,
            Rule::All => usable.max(1),
            Rule::Minimum(number) => number,
        }
    }

    /// The trusted keys that signed the candidate. `pinned` are the signers of the lock entry of exactly this component, whose
    /// keys may have expired since.
    ///
    /// # Errors
    /// When a trusted key signed something else than this component, a signature is forged, or too few keys that count have
    /// signed.
    pub fn signers(
        &self,
        candidate: &Candidate<'_>,
        today: Date,
        pinned: &[KeyId],
    ) -> Result<Vec<Signer>, Refusal> {
        let mut signers = BTreeMap::new();
        let mut obstacle = None;
        for signature in candidate.signatures.into_iter().flat_map(|file| file.iter()) {
            let known = self.roots.iter().find(|(_, root)| root.key.id() == signature.key);
            let Some((name, root)) = known else {
                obstacle.get_or_insert(Refusal::UnknownSigner(signature.key));
                continue;
            };
            is_about(candidate, name, root, signature)?;
            let is_pinned = pinned.contains(&signature.key);
            if root.revoked {
                obstacle = Some(Refusal::Revoked(name.clone()));
            } else if let Some(day) = root.expires.filter(|day| *day < today && !is_pinned) {
                obstacle = Some(Refusal::Expired(name.clone(), day));
            } else {
                signers.insert(signature.key, name.clone());
            }
        }
        let needed = self.needed();
        if signers.len() >= needed {
            return Ok(signers.into_iter().map(|(key, name)| Signer { name, key }).collect());
        }
        if candidate.signatures.is_none() {
            return Err(Refusal::SignatureMissing { needed });
        }
        let found: BTreeSet<Name> = signers.into_values().collect();
        let missing = self.roots.iter().filter(|(name, it)| !it.revoked && !found.contains(*name));
        let missing = missing.map(|(name, _)| name.clone()).collect();
        Err(match obstacle {
            Some(obstacle) if found.is_empty() => obstacle,
            _ => Refusal::TooFewSigners { needed, found: found.into_iter().collect(), missing },
        })
    }
}

/// Whether the signature is genuine and speaks of this component.
fn is_about(
    candidate: &Candidate<'_>,
    signer: &Name,
    root: &Root,
    signature: &Signature,
) -> Result<(), Refusal> {
    if !signature.is_by(&root.key) {
        return Err(Refusal::Forged(signer.clone()));
    }
    let (said, own) = (&signature.statement, candidate.declaration);
    if said.name != own.name || said.digest != candidate.admitted.digest {
        return Err(Refusal::SignatureOfAnother {
            signer: signer.clone(),
            said: Box::new(said.clone()),
            found: candidate.admitted.digest,
        });
    }
    if said.version != own.version {
        return Err(Refusal::VersionMisstated {
            signer: signer.clone(),
            signed: said.version.clone(),
            declared: own.version.clone(),
        });
    }
    Ok(())
}
