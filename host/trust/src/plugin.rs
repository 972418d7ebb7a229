use std::sync::Arc;

use lockgate_types::Digest;
use wasmparser::{Parser, Payload};

use crate::contract::version_of;
use crate::declaration::{Declaration, DeclarationError};
use crate::section::DECLARATION_SECTION;
use crate::sha256;
use crate::text::plain;

/// A component that may be looked at, with the digest that identifies it. Nothing of it has run.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// SHA-256 of the component's bytes.
    pub digest: Digest,
    /// The component in the binary format of the component model.
    pub component: Arc<[u8]>,
    /// What it imports, sorted: for people and for tests, before anything of it runs.
    pub imports: Vec<String>,
    /// Version of the contract that its interfaces name; none when it has none of them.
    pub contract: Option<String>,
    /// What it says of itself and asks for; none when it was not built by `lockgate-build`.
    pub declaration: Option<Declaration>,
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
    /// What it carries as its `plugin.toml` is none.
    #[error("its {0}")]
    Declaration(#[from] DeclarationError),
    /// It carries more than one `plugin.toml`.
    #[error("it carries more than one plugin.toml")]
    Ambiguous,
    /// Its interfaces are of several versions of the contract.
    #[error("it mixes versions {0} and {1} of the contract")]
    MixedContracts(String, String),
}

/// Largest component, in bytes: interpreters compiled to WebAssembly have 20 MiB, and compiling takes memory in proportion.
pub const COMPONENT_BYTES_MAX: usize = 128 << 20;

/// Takes in a component.
///
/// # Errors
/// When the bytes are not a component (see [`check_preamble`]) or are too many, its imports and exports do not parse, or the
/// `plugin.toml` that it carries is wrong.
pub fn admit(component: Vec<u8>) -> Result<Admitted, AdmitError> {
    if component.len() > COMPONENT_BYTES_MAX {
        return Err(AdmitError::TooLarge(component.len()));
    }
    check_preamble(&component)?;
    let outside = outside(&component).map_err(|error| AdmitError::Damaged(error.to_string()))?;
    let declaration = match outside.declarations.as_slice() {
        [] => None,
        [one] => Some(Declaration::parse(one)?),
        _ => return Err(AdmitError::Ambiguous),
    };
    let contract = contract(&outside)?;
    let Outside { mut imports, .. } = outside;
    imports.sort();
    let digest = sha256(&component);
    Ok(Admitted { digest, component: component.into(), imports, contract, declaration })
}

/// What every component begins with, in bytes.
pub const PREAMBLE_BYTES: usize = 8;

/// Whether bytes that begin like this can be a component: `\0asm`, version 13, layer 1 (the component model's binary format).
///
/// # Errors
/// With what they are instead.
pub fn check_preamble(bytes: &[u8]) -> Result<(), AdmitError> {
    let found = match bytes.get(..PREAMBLE_BYTES) {
        Some(b"\0asm\x0d\0\x01\0") => return Ok(()),
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => "a core module",
        Some([0, b'a', b's', b'm', ..]) => "a component of an unknown version",
        _ => "an unknown file",
    };
    Err(AdmitError::NotAComponent { found })
}

/// What the outermost component shows.
#[derive(Default)]
struct Outside<'a> {
    imports: Vec<String>,
    exports: Vec<String>,
    declarations: Vec<&'a [u8]>,
}

fn outside(component: &[u8]) -> Result<Outside<'_>, wasmparser::BinaryReaderError> {
    let mut outside = Outside::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    outside.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    outside.exports.push(export?.name.name.to_owned());
                }
            }
            Payload::CustomSection(section)
                if depth == 0 && section.name() == DECLARATION_SECTION =>
            {
                outside.declarations.push(section.data());
            }
            _ => {}
        }
    }
    Ok(outside)
}

/// The one version of the contract that all interfaces name.
fn contract(outside: &Outside<'_>) -> Result<Option<String>, AdmitError> {
    let mut names = outside.imports.iter().chain(&outside.exports);
    let versions = names.by_ref().filter_map(|name| version_of(name));
    let mut found: Option<&str> = None;
    for version in versions {
        match found {
            Some(first) if first != version => {
                return Err(AdmitError::MixedContracts(plain(first, 40), plain(version, 40)));
            }
            _ => found = Some(version),
        }
    }
    Ok(found.map(|version| plain(version, 40)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::section::embed_declaration;

    fn component(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn only_components_are_admitted() {
        assert!(admit(b"\0asm\x0d\0\x01\0".to_vec()).is_ok());
        let broken = b"\0asm\x0d\0\x01\0\xff\xff\xff\xff";
        assert!(matches!(admit(broken.to_vec()), Err(AdmitError::Damaged(_))));
        for bytes in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0", b"\0asm\x0e\0\x01\0", b"#!/bin/sh"] {
            assert!(admit(bytes.to_vec()).is_err(), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_a_component_asks_for_is_read_without_running_it() {
        let text = include_str!("../tests/everything.toml");
        let bytes = embed_declaration(component("(component)"), text);
        let admitted = admit(bytes.clone()).unwrap();
        assert_eq!(admitted.declaration.unwrap().name.as_str(), "everything");
        assert!(matches!(admit(embed_declaration(bytes, text)), Err(AdmitError::Ambiguous)));
        let wrong = embed_declaration(component("(component)"), "name = 1");
        assert!(matches!(admit(wrong), Err(AdmitError::Declaration(_))));
        assert!(admit(component("(component)")).unwrap().declaration.is_none());
    }

    #[test]
    fn a_declaration_inside_of_an_inner_component_does_not_count() {
        let text = include_str!("../tests/everything.toml");
        let inner = embed_declaration(component("(component)"), text);
        let mut outer = component("(component)");
        let section = wasm_encoder::RawSection { id: 4, data: &inner };
        wasm_encoder::ComponentSection::append_to_component(&section, &mut outer);
        assert!(admit(outer).unwrap().declaration.is_none());
    }

    #[test]
    fn the_contract_is_named_by_imports_and_exports() {
        let job = |version: &str| {
            format!("(import \"lockgate:datastore/job@{version}\" (instance $i{}))", version.len())
        };
        let one = component(&format!("(component {})", job("0.1.0")));
        assert_eq!(admit(one).unwrap().contract.as_deref(), Some("0.1.0"));
        let mixed = component(&format!("(component {} {})", job("0.1.0"), job("0.10.0")));
        assert!(matches!(admit(mixed), Err(AdmitError::MixedContracts(..))));
        assert_eq!(admit(component("(component)")).unwrap().contract, None);
    }
}
