//! The custom section in which a component carries its `plugin.toml`, unchanged.

use std::borrow::Cow;

use wasm_encoder::{ComponentSection, CustomSection};

/// Name of the section.
pub const DECLARATION_SECTION: &str = "lockgate:plugin.toml";

/// Adds the text of a `plugin.toml` to a component that carries none yet.
#[must_use]
pub fn embed_declaration(mut component: Vec<u8>, text: &str) -> Vec<u8> {
    let section = CustomSection {
        name: Cow::Borrowed(DECLARATION_SECTION),
        data: Cow::Borrowed(text.as_bytes()),
    };
    section.append_to_component(&mut component);
    component
}
