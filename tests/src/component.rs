//! Plugins that say something else of themselves than they were built with.

use anyhow::{Context as _, Result};
use lockgate_trust::{DECLARATION_SECTION, embed_declaration};

/// The component with its `plugin.toml`, which the build tool writes last, changed by `edit`.
///
/// # Errors
/// When it carries none.
pub fn edited(component: &[u8], edit: impl FnOnce(&str) -> String) -> Result<Vec<u8>> {
    let name = DECLARATION_SECTION.as_bytes();
    let at = component.windows(name.len()).rposition(|window| window == name);
    let at = at.context("the component carries no plugin.toml")?;
    let text = std::str::from_utf8(&component[at + name.len()..])?;
    let section = embed_declaration(Vec::new(), text);
    let bare = component.strip_suffix(section.as_slice()).context("it is not the last section")?;
    Ok(embed_declaration(bare.to_vec(), &edit(text)))
}
