//! Serialised values: every encoding means what it means, and foreign bytes never do harm.

use lockgate_plugin_redis::rdb::snapshot::skip_value;
use lockgate_plugin_redis::rdb::value::kinds;
use lockgate_plugin_redis::rdb::{Input, Meaning, Snapshot, copy_value};

fn copied(kind: u8, bytes: &[u8]) -> lockgate_plugin::Result<(Meaning, Vec<u8>)> {
    let mut copy = Vec::new();
    let mut input = Input::new(bytes, bytes.len() as u64);
    let meaning = copy_value(&mut input, kind, &mut copy)?;
    if input.position() != bytes.len() as u64 {
        return Err(lockgate_plugin::Error::corrupt("something is left"));
    }
    Ok((meaning, copy))
}

fn text(text: &[u8]) -> Vec<u8> {
    assert!(text.len() < 64);
    [&[text.len() as u8], text].concat()
}

fn listpack(elements: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::new();
    for element in elements {
        body.push(0x80 | element.len() as u8);
        body.extend_from_slice(element);
        body.push(element.len() as u8 + 1);
    }
    let total = (body.len() + 7) as u32;
    [&total.to_le_bytes()[..], &(elements.len() as u16).to_le_bytes(), &body, &[0xff]].concat()
}

fn ziplist(elements: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut before = 0;
    for element in elements {
        body.push(before);
        body.push(element.len() as u8);
        body.extend_from_slice(element);
        before = element.len() as u8 + 2;
    }
    [&[0; 8][..], &(elements.len() as u16).to_le_bytes(), &body, &[0xff]].concat()
}

/// A type and the bytes behind it.
type Form = (u8, Vec<u8>);

/// The same values in the encodings that servers have used.
fn same() -> Vec<(&'static str, Vec<Form>)> {
    let score = |number: f64| number.to_le_bytes().to_vec();
    let intset = [
        &2u32.to_le_bytes()[..],
        &2u32.to_le_bytes(),
        &7i16.to_le_bytes(),
        &(-300i16).to_le_bytes(),
    ]
    .concat();
    vec![
        (
            "string",
            vec![
                (kinds::STRING, text(b"-300")),
                (kinds::STRING, vec![0xc1, 0xd4, 0xfe]),
                (kinds::STRING, vec![0xc2, 0xd4, 0xfe, 0xff, 0xff]),
                (kinds::STRING, [&[0xc3, 5, 4, 3][..], b"-300"].concat()),
                (kinds::STRING, [&[0x80, 0, 0, 0, 4][..], b"-300"].concat()),
            ],
        ),
        (
            "list",
            vec![
                (kinds::LIST, [vec![2], text(b"7"), text(b"b")].concat()),
                (kinds::LIST, [vec![2], vec![0xc0, 7], text(b"b")].concat()),
                (kinds::LIST_ZIPLIST, text(&ziplist(&[b"7", b"b"]))),
                (kinds::LIST_QUICKLIST, [vec![1], text(&ziplist(&[b"7", b"b"]))].concat()),
                (
                    kinds::LIST_QUICKLIST_2,
                    [vec![2, 1], text(b"7"), vec![2], text(&listpack(&[b"b"]))].concat(),
                ),
            ],
        ),
        (
            "set",
            vec![
                (kinds::SET, [vec![2], text(b"7"), text(b"-300")].concat()),
                (kinds::SET, [vec![2], vec![0xc1, 0xd4, 0xfe], vec![0xc0, 7]].concat()),
                (kinds::SET_LISTPACK, text(&listpack(&[b"-300", b"7"]))),
                (kinds::SET_INTSET, text(&intset)),
            ],
        ),
        (
            "hash",
            vec![
                (kinds::HASH, [vec![2], text(b"a"), text(b"1"), text(b"b"), text(b"2")].concat()),
                (kinds::HASH, [vec![2], text(b"b"), text(b"2"), text(b"a"), text(b"1")].concat()),
                (kinds::HASH_ZIPLIST, text(&ziplist(&[b"b", b"2", b"a", b"1"]))),
                (kinds::HASH_LISTPACK, text(&listpack(&[b"a", b"1", b"b", b"2"]))),
            ],
        ),
        (
            "zset",
            vec![
                (kinds::ZSET, [vec![2], text(b"a"), text(b"1.5"), text(b"b"), vec![255]].concat()),
                (
                    kinds::ZSET_2,
                    [vec![2], text(b"a"), score(1.5), text(b"b"), score(f64::NEG_INFINITY)]
                        .concat(),
                ),
                (kinds::ZSET_ZIPLIST, text(&ziplist(&[b"b", b"-inf", b"a", b"1.5"]))),
                (kinds::ZSET_LISTPACK, text(&listpack(&[b"b", b"-inf", b"a", b"1.5"]))),
            ],
        ),
    ]
}

#[test]
fn encodings_of_one_value_mean_the_same() {
    let mut hashes = Vec::new();
    for (name, forms) in same() {
        let meanings: Vec<Meaning> =
            forms.iter().map(|(kind, bytes)| copied(*kind, bytes).unwrap().0).collect();
        assert!(meanings.iter().all(|meaning| *meaning == meanings[0]), "{name}: {meanings:?}");
        hashes.push(meanings[0].hash);
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), same().len(), "two different values mean the same");
}

#[test]
fn elements_without_an_order_are_copied_in_one() {
    for kind in [kinds::SET, kinds::HASH] {
        let twice = if kind == kinds::SET { 1 } else { 2 };
        let form = |names: [&[u8]; 2]| {
            [vec![2], text(names[0]).repeat(twice), text(names[1]).repeat(twice)].concat()
        };
        let (one, other) = (
            copied(kind, &form([b"a", b"b"])).unwrap(),
            copied(kind, &form([b"b", b"a"])).unwrap(),
        );
        assert_eq!(one, other);
        assert_eq!(one.1, form([b"a", b"b"]));
    }
    // Compressed texts are expanded: the copy does not depend on `rdbcompression`.
    let (_, copy) = copied(kinds::STRING, &[0xc3, 5, 10, 0, b'a', 0xe0, 0, 0]).unwrap();
    assert_eq!(copy, text(b"aaaaaaaaaa"));
}

#[test]
fn any_damage_is_an_error_or_another_value() {
    for (name, forms) in same() {
        for (kind, bytes) in forms {
            for length in 0..bytes.len() {
                assert!(
                    copied(kind, &bytes[..length]).is_err(),
                    "{name} of type {kind}, {length} bytes"
                );
            }
            for index in 0..bytes.len() {
                for bit in 0..8 {
                    let mut damaged = bytes.clone();
                    damaged[index] ^= 1 << bit;
                    // Must come back, and must not ask for more memory than there is.
                    let _ = copied(kind, &damaged);
                }
            }
        }
    }
    for kind in 0..=255 {
        let _ = copied(kind, &[0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        let _ = copied(kind, &[0xff; 64]);
        let _ = copied(kind, &[0; 64]);
    }
}

/// Database, key and expiry.
type Found = (u64, Vec<u8>, Option<u64>);

fn walk(bytes: &[u8]) -> lockgate_plugin::Result<Vec<Found>> {
    let mut snapshot = Snapshot::open(bytes)?;
    let mut found = Vec::new();
    while let Some(database) = snapshot.database() {
        while let Some(head) = snapshot.next_key()? {
            skip_value(snapshot.input(), &head)?;
            found.push((database, head.key, head.expires));
        }
    }
    Ok(found)
}

#[test]
fn a_snapshot_is_walked_over() {
    let mut bytes = b"REDIS0010".to_vec();
    bytes.extend([&[250][..], &text(b"ctime"), &text(b"17")].concat());
    bytes.extend([&[245][..], &text(b"#!lua name=x")].concat());
    bytes.extend([254, 0, 251, 2, 1]);
    bytes.extend([&[0][..], &text(b"a"), &text(b"1")].concat());
    bytes.extend(
        [&[252][..], &99u64.to_le_bytes(), &[248, 5, 0], &text(b"b"), &text(b"2")].concat(),
    );
    // A value of a module: its id, an integer, a text, the end.
    bytes.extend(
        [
            &[249, 3, 7][..],
            &text(b"m"),
            &[0x81, 1, 2, 3, 4, 5, 6, 7, 8],
            &[2, 9, 5],
            &text(b"x"),
            &[0],
        ]
        .concat(),
    );
    bytes.extend([254, 3]);
    bytes.extend([&[253, 1, 0, 0, 0, 0][..], &text(b"c"), &text(b"3")].concat());
    bytes.push(255);
    bytes.extend(lockgate_plugin_redis::checksum::crc64(0, &bytes).to_le_bytes());
    let expected = vec![
        (0, b"a".to_vec(), None),
        (0, b"b".to_vec(), Some(99)),
        (0, b"m".to_vec(), None),
        (3, b"c".to_vec(), Some(1000)),
    ];
    assert_eq!(walk(&bytes).unwrap(), expected);
    for length in 0..bytes.len() {
        assert!(walk(&bytes[..length]).is_err(), "{length}");
    }
    for index in 9..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[index] ^= 1;
        assert!(walk(&damaged).is_err(), "a change of byte {index} is not noticed");
    }
}
