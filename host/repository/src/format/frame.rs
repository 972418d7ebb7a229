//! The outer form of JSON files inside their seal: plain JSON, or the byte 2 and zstd.

use crate::error::{Error, ErrorKind, Result};
use crate::limits;

const VERSION_ZSTD: u8 = 2;
/// zstd's own default; these files are small beside the packs.
const LEVEL: i32 = 3;

/// `json` as it is sealed.
///
/// # Errors
/// `Io` when there is no memory for the compressor.
pub fn pack_json(json: &[u8]) -> Result<Vec<u8>> {
    let mut framed = vec![0; 1 + zstd::zstd_safe::compress_bound(json.len())];
    let (version, body) = framed.split_at_mut(1);
    version.copy_from_slice(&[VERSION_ZSTD]);
    let length = zstd::bulk::compress_to_buffer(json, body, LEVEL)
        .map_err(|source| Error::io("compress a file of the repository", source))?;
    framed.truncate(1 + length);
    Ok(framed)
}

/// The JSON in an opened file.
///
/// # Errors
/// `UnsupportedVersion` for another form, `Corrupt` when zstd refuses it, `Limit` when it is too large.
pub fn unpack_json(framed: Vec<u8>) -> Result<Vec<u8>> {
    match framed.split_first() {
        None | Some((b'{' | b'[', _)) => Ok(framed),
        Some((&VERSION_ZSTD, body)) => expand(body),
        Some((version, _)) => Err(Error::new(
            ErrorKind::UnsupportedVersion,
            format!("file of the repository has the unknown encoding {version}"),
        )),
    }
}

fn expand(body: &[u8]) -> Result<Vec<u8>> {
    use std::io::Read as _;
    let failed = |source: std::io::Error| Error::corrupt("file of the repository", source);
    let max = limits::JSON_FILE_BYTES_MAX;
    let mut json = Vec::with_capacity(body.len().saturating_mul(4).min(max));
    // Read through a limit: the header's length is not to be trusted, and may be missing.
    let decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(failed)?;
    decoder.take(max as u64 + 1).read_to_end(&mut json).map_err(failed)?;
    if json.len() > max {
        let text = format!("file of the repository expands to more than {max} bytes");
        return Err(Error::new(ErrorKind::Limit, text));
    }
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_comes_back_from_either_form() {
        for json in [&b"{}"[..], b"[]", b"{\"a\":[1,2,3]}\n", b""] {
            let framed = pack_json(json).unwrap();
            assert_eq!(framed[0], 2);
            assert_eq!(unpack_json(framed).unwrap(), json);
            assert_eq!(unpack_json(json.to_vec()).unwrap(), json);
        }
    }

    #[test]
    fn other_forms_and_cut_files_are_refused() {
        assert_eq!(unpack_json(vec![3, 1]).unwrap_err().kind(), ErrorKind::UnsupportedVersion);
        let framed = pack_json(&[b'x'; 1000]).unwrap();
        for length in 1..framed.len() {
            let error = unpack_json(framed[..length].to_vec()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{length}");
        }
    }
}
