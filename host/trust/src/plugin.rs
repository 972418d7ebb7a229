use std::sync::Arc;

use lockgate_types::Digest;
use wasmparser::{Parser, Payload};

/// A component that may be run, with the digest that identifies it.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// SHA-256 of the component's bytes.
    pub digest: Digest,
    /// The component in the binary format of the component model.
    pub component: Arc<[u8]>,
    /// What it imports, sorted: for people and for tests, before anything of it runs.
    pub imports: Vec<String>,
}

/// Why a component may not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdmitError {
    /// The bytes are not a component.
    #[error("this is {found}, not a WebAssembly component")]
    NotAComponent {
        /// What the bytes look like.
        found: &'static str,
    },
    /// The bytes begin as a component and then make no sense.
    #[error("the component is damaged: {0}")]
    Damaged(String),
    /// The component is larger than [`COMPONENT_BYTES_MAX`].
    #[error("the component has {0} bytes, more than the {COMPONENT_BYTES_MAX} allowed")]
    TooLarge(usize),
}

/// Largest component, in bytes: interpreters compiled to WebAssembly have 20 MiB, and compiling takes memory in proportion.
pub const COMPONENT_BYTES_MAX: usize = 128 << 20;

/// Takes in a component.
///
/// # Errors
/// When the bytes are not a component (by the preamble of the component model's binary format: `\0asm`, version 13, layer 1)
/// or are too many, or its imports do not parse.
pub fn admit(component: Vec<u8>) -> Result<Admitted, AdmitError> {
    if component.len() > COMPONENT_BYTES_MAX {
        return Err(AdmitError::TooLarge(component.len()));
    }
    let found = match component.get(..8) {
        Some(b"\0asm\x0d\0\x01\0") => None,
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => Some("a core module"),
        Some([0, b'a', b's', b'm', ..]) => Some("a component of an unknown version"),
        _ => Some("an unknown file"),
    };
    if let Some(found) = found {
        return Err(AdmitError::NotAComponent { found });
    }
    let hash = ring::digest::digest(&ring::digest::SHA256, &component);
    let digest = Digest(std::array::from_fn(|index| hash.as_ref()[index]));
    let imports = imports(&component).map_err(|error| AdmitError::Damaged(error.to_string()))?;
    Ok(Admitted { digest, component: component.into(), imports })
}

/// The names that the outermost component imports.
fn imports(component: &[u8]) -> Result<Vec<String>, wasmparser::BinaryReaderError> {
    let mut names = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.push(import?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_components_are_admitted() {
        assert!(admit(b"\0asm\x0d\0\x01\0".to_vec()).is_ok());
        let broken = b"\0asm\x0d\0\x01\0\xff\xff\xff\xff";
        assert!(matches!(admit(broken.to_vec()), Err(AdmitError::Damaged(_))));
        for bytes in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0", b"\0asm\x0e\0\x01\0", b"#!/bin/sh"] {
            assert!(admit(bytes.to_vec()).is_err(), "{}", bytes.escape_ascii());
        }
    }
}
