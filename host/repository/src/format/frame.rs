//! The outer form of JSON files inside their seal: plain JSON, or the byte 2 and zstd.

use crate::error::{Error, ErrorKind, Result};
use crate::limits;

const VERSION_ZSTD: u8 = 2;
/// zstd's own default; these files are small beside the packs.
const LEVEL: i32 = 3;
/// How many times its stored length a file may say that it has, to be expanded in one piece; an index has four times.
const TOLD_TIMES_MAX: usize = 64;

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
    if let Some(json) = expand_at_once(body) {
        return Ok(json);
    }
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

/// What says how long it is needs no window beside it, from which all is copied. None when it does not say, says what is not to
/// be believed, or is not so.
fn expand_at_once(body: &[u8]) -> Option<Vec<u8>> {
    let told = zstd::zstd_safe::get_frame_content_size(body).ok().flatten()?;
    let max = body.len().saturating_mul(TOLD_TIMES_MAX).min(limits::JSON_FILE_BYTES_MAX);
    let length = usize::try_from(told).ok().filter(|length| *length <= max)?;
    zstd::bulk::decompress(body, length).ok()
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
    fn json_in_several_frames_comes_back_and_so_does_what_is_not_believed() {
        let frames = [pack_json(b"{\"a\":").unwrap(), pack_json(b"1}").unwrap()];
        let framed = [&frames[0][..], &frames[1][1..]].concat();
        assert_eq!(unpack_json(framed).unwrap(), b"{\"a\":1}");
        let zeros = vec![b'0'; 1 << 20];
        let framed = pack_json(&zeros).unwrap();
        assert!(framed.len() * TOLD_TIMES_MAX < zeros.len());
        assert_eq!(unpack_json(framed).unwrap(), zeros);
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
