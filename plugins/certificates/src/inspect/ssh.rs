//! Public keys and certificates of OpenSSH: lines of `type base64 comment` (`sshd(8)`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What the types of keys begin with.
const TYPES: [&str; 4] = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-sha2-"];
/// A comment says whose key it is. A longer one could say anything.
const COMMENT_BYTES_MAX: usize = 100;

/// Whether each line is a public key.
pub fn is_public(content: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(content) else { return false };
    let mut lines = text.lines().filter(|line| !line.is_empty()).peekable();
    lines.peek().is_some() && lines.all(is_key)
}

fn is_key(line: &str) -> bool {
    let mut words = line.splitn(3, ' ');
    let (kind, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let comment = words.next().unwrap_or_default();
    let Ok(key) = STANDARD.decode(key) else { return false };
    // The key repeats its type, with a length before it (RFC 4253, section 6.6).
    let named = key.split_at_checked(4).and_then(|(length, rest)| {
        let length = u32::from_be_bytes(length.try_into().ok()?);
        rest.get(..usize::try_from(length).ok()?)
    });
    TYPES.iter().any(|known| kind.starts_with(known))
        && named == Some(kind.as_bytes())
        && comment.len() <= COMMENT_BYTES_MAX
        && !comment.contains(char::is_whitespace)
}
