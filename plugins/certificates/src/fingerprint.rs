//! The fingerprint of a part, over the plain content. It is told only under a key that the identity alone opens: else anybody
//! who reads the manifest could try passwords until the fingerprint fits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use lockgate_plugin::path::shown;
use lockgate_plugin::{
    Context, Error, Fingerprint, Kind, Metadata, Part, Result, Summary, files, random,
};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::place::Place;
use crate::seal::{Identity, Recipients, hexadecimal};
use crate::walk::{Found, walk};

/// Attribute of a part with sealed files: the key of its fingerprint, sealed, in base64.
const KEY: &str = "fingerprint-key";
const KEY_BYTES: usize = 32;

/// Adds one name. What a restore cannot bring back is left out, and the name of a part's own folder, which may be restored
/// under another.
pub fn add(fingerprint: &mut Fingerprint, place: &Place, found: &Found, digest: &[u8]) {
    let Found { path, metadata } = found;
    let below = place.top.as_ref().and_then(|top| path.strip_prefix(top.as_slice()));
    fingerprint.add(below.unwrap_or(path));
    fingerprint.add(kind(metadata.kind));
    if metadata.kind != Kind::Symlink {
        fingerprint.add_number(metadata.mode.into());
    }
    fingerprint.add_number(metadata.owner.into());
    fingerprint.add_number(metadata.group.into());
    fingerprint.add(metadata.modified.seconds.to_le_bytes());
    fingerprint.add_number(metadata.modified.nanoseconds.into());
    fingerprint.add(metadata.link_target.as_deref().unwrap_or_default());
    fingerprint.add_extended_attributes(&metadata.extended_attributes);
    fingerprint.add(digest);
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Regular => "file",
        Kind::Directory => "folder",
        Kind::Symlink => "link",
        _ => "other",
    }
}

/// Whether a part keeps such a name.
pub fn is_kept(metadata: &Metadata) -> bool {
    matches!(metadata.kind, Kind::Regular | Kind::Directory | Kind::Symlink)
}

/// Tells the fingerprint of a part that was exported: as it is when nothing in it is sealed, else under a new key.
///
/// # Errors
/// When random bytes are not granted.
pub fn tell(
    fingerprint: Fingerprint,
    recipients: Option<&Recipients>,
    summary: Summary,
) -> Result<Summary> {
    let plain = fingerprint.finish();
    let Some(recipients) = recipients else { return Ok(summary.with_fingerprint(plain)) };
    let key = Zeroizing::new(random::bytes(KEY_BYTES as u32)?);
    let sealed = STANDARD.encode(recipients.seal_bytes(&key)?);
    Ok(summary.with_fingerprint(keyed(&key, &plain)).with_attribute(KEY, sealed))
}

/// The fingerprint of what is at `place` now, in the way of that of the archived `part`.
///
/// # Errors
/// When anything cannot be read, or the key cannot be opened.
pub fn live(part: &Part, place: &Place, config: &Config) -> Result<String> {
    let key = key(part)?;
    let mut fingerprint = Fingerprint::new();
    walk(place, config, |found| {
        if is_kept(&found.metadata) {
            let digest = match found.metadata.kind {
                Kind::Regular => digest(&place.folder, &found.path)?,
                _ => Vec::new(),
            };
            add(&mut fingerprint, place, &found, &digest);
        }
        Ok(())
    })?;
    let plain = fingerprint.finish();
    Ok(key.map_or_else(|| plain.clone(), |key| keyed(&key, &plain)))
}

/// SHA-256 of a file's content, computed by the host.
pub fn digest(folder: &str, path: &[u8]) -> Result<Vec<u8>> {
    let digest = files::open(folder, path).and_then(|file| file.digest());
    digest.with_context(|| format!("{folder}/{}", shown(path)))
}

/// The key of a part's fingerprint, opened with the granted identity; none when nothing in the part is sealed.
///
/// # Errors
/// When it cannot be opened.
pub fn key(part: &Part) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let Some(sealed) = part.attribute(KEY) else { return Ok(None) };
    let sealed = STANDARD
        .decode(sealed)
        .map_err(|_| Error::corrupt(format!("part {}: {KEY} is no base64", part.id)))?;
    let key = Identity::granted()?.open_bytes(&sealed, KEY_BYTES as u64)?;
    Ok(Some(key))
}

/// HMAC-SHA-256 (RFC 2104).
fn keyed(key: &[u8], plain: &str) -> String {
    // A key of any length is one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(plain.as_bytes());
    format!("hmac-sha256:{}", hexadecimal(&mac.finalize().into_bytes()))
}
