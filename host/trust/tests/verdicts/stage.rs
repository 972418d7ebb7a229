//! Components, keys and lock files for the tests of this folder.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use lockgate_trust::{
    Admitted, Candidate, Declaration, Lock, Policy, Refusal, Root, Rule, SecretKey, Signatures,
    Statement, admit, embed_declaration,
};
use lockgate_types::Name;

pub const TODAY: Date = date(2026, 11, 21);

/// A plugin with what lies beside it.
pub struct Release {
    pub admitted: Admitted,
    pub declaration: Declaration,
    pub signatures: Option<Signatures>,
}

/// A release of a plugin that asks for `requests`, signed with `keys`.
pub fn release(name: &str, version: &str, requests: &str, keys: &[&SecretKey]) -> Release {
    let text = format!("name = '{name}'\nversion = '{version}'\nsummary = 'Saves it'\n{requests}");
    let component = embed_declaration(wat::parse_str("(component)").unwrap(), &text);
    let admitted = admit(component).unwrap();
    let declaration = admitted.declaration.clone().unwrap();
    let mut signatures = Signatures::default();
    for key in keys {
        signatures.add(statement(&declaration, &admitted).sign(key));
    }
    let signatures = (!keys.is_empty()).then_some(signatures);
    Release { admitted, declaration, signatures }
}

fn statement(declaration: &Declaration, admitted: &Admitted) -> Statement {
    Statement {
        name: declaration.name.clone(),
        version: declaration.version.clone(),
        digest: admitted.digest,
        created: "2026-01-01T00:00:00Z".parse().unwrap(),
    }
}

impl Release {
    pub fn candidate(&self) -> Candidate<'_> {
        Candidate {
            admitted: &self.admitted,
            declaration: &self.declaration,
            signatures: self.signatures.as_ref(),
        }
    }

    /// The same component with the signatures of another release.
    pub fn beside(self, other: &Release) -> Self {
        Self { signatures: other.signatures.clone(), ..self }
    }

    pub fn stripped(self) -> Self {
        Self { signatures: None, ..self }
    }
}

pub fn key() -> SecretKey {
    SecretKey::generate().unwrap()
}

pub fn root(key: &SecretKey) -> Root {
    Root { key: key.public(), expires: None, revoked: false }
}

pub fn policy(rule: Rule, roots: &[(&str, Root)]) -> Policy {
    let named = |(name, root): &(&str, Root)| (name.parse::<Name>().unwrap(), root.clone());
    Policy { rule, roots: roots.iter().map(named).collect() }
}

/// What the engine does before each run.
pub fn verdict(policy: &Policy, lock: &Lock, release: &Release) -> Result<(), Refusal> {
    let candidate = release.candidate();
    let signers = policy.signers(&candidate, TODAY, lock.pinned(&candidate))?;
    lock.check(&candidate, &signers)
}

/// The lock file after the operator accepted the release.
pub fn locked(policy: &Policy, release: &Release) -> Lock {
    let candidate = release.candidate();
    let signers = policy.signers(&candidate, TODAY, &[]).unwrap();
    let entry = candidate.entry(&signers);
    Lock { plugins: BTreeMap::from([(release.declaration.name.clone(), entry)]) }
}
