//! Plugins that say something else of themselves than they were built with.

use anyhow::{Context as _, Result, ensure};

/// Name of the section that carries a component's `plugin.toml`, and what stands before it: the kind of the section, its size
/// in LEB128, the length of the name. The build tool writes the section last.
const SECTION: &[u8] = b"lockgate:plugin.toml";

/// The `plugin.toml` that a component carries, and the component without it.
fn split(component: &[u8]) -> Result<(&[u8], &str)> {
    let at = component.windows(SECTION.len()).rposition(|window| window == SECTION);
    let at = at.context("the component carries no plugin.toml")?;
    let text = std::str::from_utf8(&component[at + SECTION.len()..])?;
    let size = 1 + SECTION.len() + text.len();
    let start = at - 2 - leb128(size).len();
    ensure!(component[start] == 0, "the section does not begin where it should");
    Ok((&component[..start], text))
}

/// The component with its `plugin.toml` changed by `edit`.
///
/// # Errors
/// When it carries none.
pub fn edited(component: &[u8], edit: impl FnOnce(&str) -> String) -> Result<Vec<u8>> {
    let (bare, text) = split(component)?;
    declared(bare, &edit(text))
}

/// The component with `text` as its `plugin.toml`.
///
/// # Errors
/// Never: the section's name has a length.
pub fn declared(bare: &[u8], text: &str) -> Result<Vec<u8>> {
    let size = 1 + SECTION.len() + text.len();
    let length = u8::try_from(SECTION.len())?;
    let mut whole = bare.to_vec();
    whole.push(0);
    whole.extend(leb128(size));
    whole.push(length);
    whole.extend_from_slice(SECTION);
    whole.extend_from_slice(text.as_bytes());
    Ok(whole)
}

/// Unsigned LEB128 (WebAssembly specification, section 5.2.2).
fn leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
