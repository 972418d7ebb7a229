use super::parent::Parent;
use crate::manifest::Manifest;
use crate::{Error, ErrorKind, Result};

/// Refuses a result that holds nothing, or less than half of what the last backup of the source held: far more often
/// a wrong path, an empty mount or a lost database than a wish.
pub(super) fn review(parent: Option<&Parent>, manifest: &Manifest) -> Result<()> {
    let Some(before) = parent.and_then(|parent| parent.manifest.as_ref()) else { return Ok(()) };
    let (before, now) = (size(before), size(manifest));
    let halved = |before: u64, now: u64| before > 0 && now < before.div_ceil(2);
    if !halved(before.0, now.0) && !halved(before.1, now.1) {
        return Ok(());
    }
    let message = format!(
        "source {} shrank from {} items and {} bytes to {} items and {} bytes; no snapshot was made",
        manifest.source, before.0, before.1, now.0, now.1
    );
    Err(Error::new(ErrorKind::Failed, message)
        .with_hint("if that is right, run the backup once with --allow-shrink"))
}

/// Items and bytes. Not entries: a plugin may lay the same items out in fewer of them.
fn size(manifest: &Manifest) -> (u64, u64) {
    let sum = |sum: u64, count: u64| sum.saturating_add(count);
    let parts = &manifest.parts;
    (
        parts.iter().map(|part| part.items).fold(0, sum),
        parts.iter().map(|part| part.bytes).fold(0, sum),
    )
}
