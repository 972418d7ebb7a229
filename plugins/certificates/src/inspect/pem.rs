//! The textual form of keys and certificates (RFC 7468), read strictly: what else the text holds is told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// A text with one block at least.
#[derive(Debug, Default)]
pub struct File {
    pub blocks: Vec<Block>,
    /// Whether anything but white space stands outside of the blocks.
    pub has_other_text: bool,
}

/// What stands between two lines with the same label.
#[derive(Debug)]
pub struct Block {
    /// For example `CERTIFICATE`.
    pub label: String,
    /// Decoded; empty when it cannot be.
    pub content: Vec<u8>,
    /// Whether lines such as `DEK-Info: ...` stand before the content (RFC 1421).
    pub has_headers: bool,
}

/// Reads a text; none when it holds no block. A block that does not end counts as one.
pub fn parse(content: &[u8]) -> Option<File> {
    let text = std::str::from_utf8(content).ok()?;
    let mut file = File::default();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(DASHES))
        else {
            file.has_other_text |= !line.is_empty();
            continue;
        };
        let end = format!("{END}{label}{DASHES}");
        let mut body = String::new();
        let (mut has_headers, mut is_ended) = (false, false);
        for line in lines.by_ref() {
            if line == end {
                is_ended = true;
                break;
            }
            if line.contains(':') {
                has_headers = true;
            } else {
                body.push_str(line);
            }
        }
        file.has_other_text |= !is_ended;
        let content = STANDARD.decode(body).unwrap_or_default();
        file.blocks.push(Block { label: label.to_owned(), content, has_headers });
    }
    (!file.blocks.is_empty()).then_some(file)
}
