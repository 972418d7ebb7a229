//! Rules for parsers that only this crate can call, for `tests/fuzz.sh`. Each panics when it is broken, whatever bytes it is given.

use bytes::Bytes;
use lockgate_types::Digest;

use crate::buffers::Buffers;
use crate::check::pack::{FetchedPack, Header, Verifier, header_of, read_header};
use crate::compress::{Compression, Expander, Shrinker};
use crate::format::{BlobKind, PackedBlob, pack_header_decode};
use crate::format::{go_json, go_quote};
use crate::hash::Engine;
use crate::seal::{MasterKey, OVERHEAD, ScryptCost};

/// A blob of the fuzzer's says in three bytes how long it is: up to 16 MiB.
const LENGTH_BYTES: usize = 3;

fn key() -> MasterKey {
    MasterKey::from_bytes(&[7; 64])
}

/// What was sealed opens as it was, and neither cut nor changed nor anything else does.
pub fn sealed(bytes: &[u8]) {
    let key = key();
    assert!(key.open(bytes).is_err(), "something that nobody sealed was opened");
    let mut sealed = key.seal(bytes).expect("there is randomness");
    assert_eq!(key.open(&sealed).as_deref(), Ok(bytes));
    assert!(key.open(&sealed[..sealed.len() - 1]).is_err(), "a cut message was opened");
    let place = bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>() % sealed.len();
    sealed[place] ^= 1;
    let mut plain = vec![0; 3];
    assert!(key.open_into(&sealed, &mut plain).is_err(), "a changed message was opened");
    assert!(plain.is_empty(), "what is not authentic was given out");
}

/// A pack ends with these bytes, or with a header of these bytes.
pub fn pack_end(bytes: &[u8]) {
    let key = key();
    assert!(read_header(bytes, &key).is_err(), "a header that nobody sealed was read");
    let body: u64 = pack_header_decode(bytes)
        .map_or(0, |blobs| blobs.iter().map(|blob| u64::from(blob.length)).sum());
    let mut tail = key.seal(bytes).expect("there is randomness");
    let length = u32::try_from(tail.len()).expect("the fuzzer gives no gigabytes");
    tail.extend_from_slice(&length.to_le_bytes());
    let pack_bytes = body + tail.len() as u64;
    let is_header = match header_of(&tail, pack_bytes, &key) {
        Ok(Header::Read(blobs)) => pack_header_decode(bytes).is_ok_and(|it| it == blobs),
        Ok(Header::Longer(_)) => false,
        Err(_) => pack_header_decode(bytes).is_err(),
    };
    assert!(is_header, "a header is not what it was");
    assert!(header_of(&tail, pack_bytes + 1, &key).is_err(), "blobs do not fill the pack");
}

/// The first bytes say how long the blob is that the rest expands to.
pub fn blob(bytes: &[u8]) {
    let Some((length, shrunken)) = bytes.split_first_chunk::<LENGTH_BYTES>() else { return };
    let length = u32::from_le_bytes([length[0], length[1], length[2], 0]);
    let (mut expander, mut plain) = (Expander::new().expect("there is memory"), vec![1]);
    if expander.expand(shrunken, length as usize, &mut plain).is_ok() {
        assert_eq!(plain.len(), length as usize);
    }
    let mut shrinker = Shrinker::new(Compression::Fastest).expect("there is memory");
    if let Some(own) = shrinker.shrink(shrunken).expect("zstd compresses all") {
        expander.expand(own, shrunken.len(), &mut plain).expect("what was shrunken expands");
        assert_eq!(plain, shrunken);
    }
    verify(shrunken, Some(length).filter(|length| *length > 0));
}

/// A check looks at a pack with that one blob.
fn verify(opened: &[u8], uncompressed_length: Option<u32>) {
    let key = key();
    let sealed = key.seal(opened).expect("there is randomness");
    let length = u32::try_from(opened.len() + OVERHEAD).expect("the fuzzer gives no gigabytes");
    let id = Digest([1; 32]);
    let blob = PackedBlob { id, kind: BlobKind::Data, offset: 0, length, uncompressed_length };
    let packs = [FetchedPack {
        id,
        object: "data/01".to_owned(),
        bytes: Bytes::from(sealed),
        blobs: vec![blob, PackedBlob { offset: 7, ..blob }],
    }];
    let buffers = Buffers::default();
    let verifier = Verifier::new(&key, Engine::detect(), &buffers).expect("there is memory");
    assert!(!verifier.verify(&packs).is_empty(), "a pack of another name passed the check");
}

/// A name comes back from its form in a tree, and the form that is printed is text of JSON.
pub fn name(bytes: &[u8]) {
    assert_eq!(go_quote::unquote(&go_quote::quote(bytes)).as_deref(), Some(bytes));
    if let Some(name) = go_quote::unquote(bytes) {
        assert_eq!(go_quote::unquote(&go_quote::quote(&name)), Some(name));
    }
    let mut json = Vec::new();
    go_json::print_string(&mut json, bytes);
    let text: String = serde_json::from_slice(&json).expect("what was printed is JSON");
    if let Ok(plain) = std::str::from_utf8(bytes) {
        assert_eq!(text, plain);
    }
}

/// Whatever a key file asks of scrypt, it is refused or bounded.
pub fn scrypt(bytes: &[u8]) {
    let Some((n, rest)) = bytes.split_first_chunk::<8>() else { return };
    let Some((r, rest)) = rest.split_first_chunk::<4>() else { return };
    let Some(p) = rest.first_chunk::<4>() else { return };
    let (n, r, p) = (u64::from_le_bytes(*n), u32::from_le_bytes(*r), u32::from_le_bytes(*p));
    if (ScryptCost { n, r, p }).checked().is_ok() {
        assert!(u128::from(n) * u128::from(r) * 128 <= 1 << 30, "{n} {r} {p}");
        assert!(u128::from(n) * u128::from(r) * u128::from(p) <= 1 << 26, "{n} {r} {p}");
    }
}
