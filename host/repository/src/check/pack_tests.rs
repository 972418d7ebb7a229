use super::*;
use crate::format::{BlobKind, pack_header_encode};
use crate::hash::sha256;

/// A pack of three blobs, the second of them compressed.
fn pack(key: &MasterKey) -> FetchedPack {
    let plains: [&[u8]; 3] = [b"one blob", &[b'x'; 5000], b"the last blob"];
    let (mut bytes, mut blobs) = (Vec::new(), Vec::new());
    for (index, plain) in plains.iter().enumerate() {
        let packed = zstd::bulk::compress(plain, 3).unwrap();
        let (body, uncompressed_length) =
            if index == 1 { (packed.as_slice(), Some(5000)) } else { (*plain, None) };
        let sealed = key.seal(body).unwrap();
        blobs.push(PackedBlob {
            id: sha256(plain),
            kind: BlobKind::Data,
            offset: u32::try_from(bytes.len()).unwrap(),
            length: u32::try_from(sealed.len()).unwrap(),
            uncompressed_length,
        });
        bytes.extend_from_slice(&sealed);
    }
    let header = key.seal(&pack_header_encode(&blobs)).unwrap();
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(&u32::try_from(header.len()).unwrap().to_le_bytes());
    FetchedPack { id: sha256(&bytes), object: "data/00/00".into(), bytes: bytes.into(), blobs }
}

fn troubles(pack: FetchedPack, key: &MasterKey) -> Vec<Trouble> {
    let packs = [pack];
    let buffers = Buffers::default();
    let findings = Verifier::new(key, Engine::detect(), &buffers).unwrap().verify(&packs);
    findings.iter().map(|finding| finding.trouble).collect()
}

#[test]
fn a_good_pack_has_no_findings() {
    let key = MasterKey::generate().unwrap();
    let pack = pack(&key);
    assert_eq!(expected_size(&pack.blobs), u64::try_from(pack.bytes.len()).unwrap());
    assert_eq!(read_header(&pack.bytes, &key).unwrap(), pack.blobs);
    assert_eq!(troubles(pack, &key), []);
}

#[test]
fn every_flipped_byte_is_noticed_by_the_name_and_by_what_it_hits() {
    let key = MasterKey::generate().unwrap();
    let good = pack(&key);
    let header_start: usize = good.blobs.iter().map(|blob| blob.length as usize).sum();
    for index in 0..good.bytes.len() {
        let mut bytes = good.bytes.to_vec();
        bytes[index] ^= 0x10;
        let bad = FetchedPack { bytes: bytes.into(), ..pack_like(&good) };
        let hit = if index < header_start { Trouble::Blob } else { Trouble::PackHeader };
        let troubles = troubles(bad, &key);
        assert!(troubles.contains(&Trouble::PackName) && troubles.contains(&hit), "byte {index}");
    }
}

#[test]
fn every_truncation_is_noticed() {
    let key = MasterKey::generate().unwrap();
    let good = pack(&key);
    for length in 0..good.bytes.len() {
        let bad = FetchedPack { bytes: good.bytes.slice(..length), ..pack_like(&good) };
        let troubles = troubles(bad, &key);
        assert!(troubles.contains(&Trouble::PackHeader), "length {length}");
    }
}

#[test]
fn bytes_that_no_blob_of_the_header_covers_are_noticed() {
    let key = MasterKey::generate().unwrap();
    let good = pack(&key);
    let body: usize = good.blobs.iter().map(|blob| blob.length as usize).sum();
    let (blobs, header) = good.bytes.split_at(body);
    // A header that is sealed well, behind more or less than it names.
    for bytes in [[blobs, b"more", header].concat(), [&blobs[1..], header].concat()] {
        let error = read_header(&bytes, &key).unwrap_err();
        assert!(error.to_string().contains("do not fill the file"), "{error}");
        let id = sha256(&bytes);
        let bad = FetchedPack { id, bytes: bytes.into(), ..pack_like(&good) };
        assert!(troubles(bad, &key).contains(&Trouble::PackHeader));
    }
}

#[test]
fn a_header_is_asked_for_again_when_the_end_that_was_read_is_too_short_for_it() {
    let key = MasterKey::generate().unwrap();
    let good = pack(&key);
    let whole = good.bytes.len();
    let needed = whole - good.blobs.iter().map(|blob| blob.length as usize).sum::<usize>();
    for length in 4..=whole {
        let tail = &good.bytes[whole - length..];
        match header_of(tail, whole as u64, &key).unwrap() {
            Header::Read(blobs) => assert!(length >= needed && blobs == good.blobs, "{length}"),
            Header::Longer(bytes) => assert!(length < needed && bytes == needed as u64, "{length}"),
        }
    }
}

#[test]
fn blobs_that_are_sealed_well_but_are_others_are_noticed() {
    let key = MasterKey::generate().unwrap();
    let mut swapped = pack(&key);
    let first = swapped.blobs[0].id;
    swapped.blobs[0].id = swapped.blobs[2].id;
    swapped.blobs[2].id = first;
    assert_eq!(troubles(swapped, &key), [Trouble::PackHeader, Trouble::Blob, Trouble::Blob]);

    let mut wrong_length = pack(&key);
    wrong_length.blobs[1].uncompressed_length = Some(4999);
    assert_eq!(troubles(wrong_length, &key), [Trouble::PackHeader, Trouble::Blob]);
}

fn pack_like(pack: &FetchedPack) -> FetchedPack {
    FetchedPack {
        id: pack.id,
        object: pack.object.clone(),
        bytes: Bytes::new(),
        blobs: pack.blobs.clone(),
    }
}
