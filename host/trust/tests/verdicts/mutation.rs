//! Random damage to every text and component that comes from strangers: nothing panics, and nothing that is damaged is taken for
//! what was accepted.

use lockgate_trust::{Declaration, Lock, Permission, Rule, Signatures, admit, embed_declaration};

use crate::stage::{key, locked, policy, release, root, verdict};

/// Damaged copies of each text.
const ROUNDS: u64 = 20_000;

const EVERYTHING: &str = include_str!("../everything.toml");

/// A small generator (xorshift, Marsaglia 2003), so that a failing round can be made again from its number.
struct Dice(u64);

impl Dice {
    fn new(round: u64) -> Self {
        Self(round.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % bound.max(1)
    }

    /// One to four changes: a bit, a byte, a cut, a doubled or moved piece, a line of the same text elsewhere.
    fn damage(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut damaged = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let (at, to) = (self.below(damaged.len()), self.below(damaged.len()));
            match self.below(6) {
                0 if !damaged.is_empty() => damaged[at] ^= 1 << self.below(8),
                1 if !damaged.is_empty() => {
                    damaged[at] = b"\"'=[]{}.\n\0\x1b*-09az\xff"[self.below(18)]
                }
                2 => damaged.truncate(at),
                3 => damaged.drain(at.min(to)..at.max(to)).for_each(drop),
                4 => {
                    let piece = damaged[at.min(to)..at.max(to)].to_vec();
                    let place = self.below(damaged.len());
                    damaged.splice(place..place, piece);
                }
                _ => {
                    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
                    let line = lines[self.below(lines.len())].to_vec();
                    damaged.splice(at..at, line);
                }
            }
        }
        damaged
    }
}

#[test]
fn damaged_declarations_never_panic_and_print_plainly() {
    let mut read = 0;
    for round in 0..ROUNDS {
        let damaged = Dice::new(round).damage(EVERYTHING.as_bytes());
        match Declaration::parse(&damaged) {
            Ok(declaration) => {
                read += 1;
                for line in declaration.permissions().lines() {
                    assert_eq!(line.parse::<Permission>().unwrap().to_string(), line, "{round}");
                }
                let sentences = declaration.sentences().concat();
                assert!(!sentences.contains(char::is_control), "{round}: {sentences:?}");
            }
            Err(error) => {
                assert!(!error.to_string().contains(char::is_control), "{round}: {error:?}");
            }
        }
    }
    // The damage is small enough that the parser is reached behind the syntax, too.
    assert!(read > ROUNDS / 100 && read < ROUNDS, "{read} of {ROUNDS} were read");
}

#[test]
fn damaged_components_never_pass() {
    let signer = key();
    let policy = policy(Rule::Any, &[("vendor", root(&signer))]);
    let one = release("everything", "1.2.3", "", &[&signer]);
    let lock = locked(&policy, &one);
    let component = embed_declaration(wat::parse_str("(component)").unwrap(), EVERYTHING);
    for round in 0..ROUNDS {
        let Ok(admitted) = admit(Dice::new(round).damage(&component)) else { continue };
        let Some(declaration) = admitted.declaration.clone() else { continue };
        let damaged =
            crate::stage::Release { admitted, declaration, signatures: one.signatures.clone() };
        assert!(verdict(&policy, &lock, &damaged).is_err(), "{round}");
    }
}

#[test]
fn damaged_signatures_say_the_same_or_nothing() {
    let signer = key();
    let policy = policy(Rule::Any, &[("vendor", root(&signer))]);
    let one = release("x", "1.0.0", "", &[&signer]);
    let genuine = one.signatures.clone().unwrap();
    let text = genuine.to_string();
    for round in 0..ROUNDS {
        let damaged = Dice::new(round).damage(text.as_bytes());
        let Ok(read) = Signatures::parse(&damaged) else { continue };
        let statement = &genuine.iter().next().unwrap().statement;
        for signature in read.iter().filter(|it| it.is_by(&signer.public())) {
            assert_eq!(&signature.statement, statement, "{round}");
        }
        let candidate = lockgate_trust::Candidate { signatures: Some(&read), ..one.candidate() };
        let signers = policy.signers(&candidate, crate::stage::TODAY, &[]);
        assert!(signers.is_err() || read.iter().any(|it| it.is_by(&signer.public())), "{round}");
    }
}

#[test]
fn damaged_lock_files_never_allow_more() {
    let policy = lockgate_trust::Policy::default();
    let one = release("x", "1.0.0", "[clock]\nreason = 'waits'\n", &[]);
    let lock = locked(&policy, &one);
    let text = lock.text().unwrap();
    let wider = release("x", "1.0.0", "[clock]\nreason = 'w'\n[random]\nreason = 'r'\n", &[]);
    for round in 0..ROUNDS {
        let damaged = Dice::new(round).damage(text.as_bytes());
        match Lock::parse(&damaged) {
            Ok(read) => {
                assert!(verdict(&policy, &read, &wider).is_err(), "{round}");
                for (name, entry) in &read.plugins {
                    let known = lock.plugins.values().next().unwrap();
                    assert_eq!(entry.permissions, known.permissions, "{round}: {name}");
                }
            }
            Err(error) => {
                assert!(!error.to_string().contains(char::is_control), "{round}: {error:?}");
            }
        }
    }
}
