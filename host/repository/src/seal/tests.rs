use proptest::prelude::*;

use super::*;

fn key() -> MasterKey {
    MasterKey::from_bytes(&std::array::from_fn(|index| u8::try_from(index * 3 + 1).unwrap()))
}

/// Two examples of the Poly1305-AES paper (D. J. Bernstein, "The Poly1305-AES message-authentication code",
/// appendix B).
#[test]
fn tag_is_that_of_the_poly1305_aes_paper() {
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len() / 2)
            .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
            .collect()
    };
    let cases = [
        (
            "f3f6",
            "851fc40c3467ac0be05cc20404f3f700",
            "ec074c835580741701425b623235add6",
            "fb447350c4e868c52ac3275cf9d4327e",
            "f4c633c3044fc145f84f335cb81953de",
        ),
        (
            "663cea190ffb83d89593f3f476b6bc24d7e679107ea26adb8caf6652d0656136",
            "48443d0bb0d21109c89a100b5ce2c208",
            "6acb5f61a7176dd320c5c1eb2edcdc74",
            "ae212a55399729595dea458bc621ff0e",
            "0ee1c16bb73f0f4fd19881753c01cdbe",
        ),
    ];
    for (message, r, k, nonce, tag) in cases {
        let part = |text: &str| -> [u8; 16] { hex(text).try_into().unwrap() };
        let key = MasterKey::from_parts([0; 32], part(k), part(r));
        let mut mac = key.mac(&part(nonce));
        mac.update(&hex(message));
        assert_eq!(mac.finish().to_vec(), hex(tag));
    }
}

#[test]
fn what_is_sealed_in_steps_is_one_message() {
    let key = key();
    for length in [STEP_BYTES - 1, STEP_BYTES, STEP_BYTES + 1, 3 * STEP_BYTES + 17] {
        let plain: Vec<u8> = (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect();
        let mut sealed = key.seal(&plain).unwrap();
        let iv: [u8; 16] = sealed[..IV_LENGTH].try_into().unwrap();
        let (mut text, mut mac) = (plain.clone(), key.mac(&iv));
        key.cipher(&iv).apply_keystream(&mut text);
        mac.update(&text);
        assert_eq!(sealed[IV_LENGTH..][..length], text);
        assert_eq!(sealed[IV_LENGTH + length..], mac.finish());
        *sealed.last_mut().unwrap() ^= 1;
        let mut back = plain.clone();
        assert_eq!(key.open_into(&sealed, &mut back), Err(Unauthentic));
        assert!(back.is_empty(), "what is not authentic was given out");
    }
}

#[test]
fn counter_carries_through_all_128_bits() {
    let key = key();
    let (mut ahead, mut wrapped) = ([0; 32], [0; 16]);
    key.cipher(&[0xff; 16]).apply_keystream(&mut ahead);
    key.cipher(&[0; 16]).apply_keystream(&mut wrapped);
    assert_eq!(ahead[16..], wrapped);
    let mut half = [0; 16];
    half[8..].fill(0xff);
    let mut next = [0; 16];
    next[7] = 1;
    let (mut ahead, mut carried) = ([0; 32], [0; 16]);
    key.cipher(&half).apply_keystream(&mut ahead);
    key.cipher(&next).apply_keystream(&mut carried);
    assert_eq!(ahead[16..], carried);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sealed_bytes_open_again_and_no_flipped_bit_does(
        plain in prop::collection::vec(any::<u8>(), 0..400), place in any::<usize>(), bit in 0..8_u8,
    ) {
        let key = key();
        let mut sealed = key.seal(&plain).unwrap();
        prop_assert_eq!(key.open(&sealed), Ok(plain));
        let place = place % sealed.len();
        sealed[place] ^= 1 << bit;
        prop_assert_eq!(key.open(&sealed), Err(Unauthentic));
    }
}

#[test]
fn too_short_messages_and_other_keys_are_refused() {
    let key = key();
    for length in 0..OVERHEAD {
        assert_eq!(key.open(&vec![0; length]), Err(Unauthentic));
    }
    let other = MasterKey::generate().unwrap();
    assert_eq!(other.open(&key.seal(b"text").unwrap()), Err(Unauthentic));
}

#[test]
fn derived_bytes_differ_by_purpose_and_by_key() {
    let derive = |key: &MasterKey, purpose: &str| {
        let mut bytes = [0; 2048];
        key.derive(purpose, &mut bytes);
        bytes
    };
    assert_eq!(derive(&key(), "a"), derive(&key(), "a"));
    assert_ne!(derive(&key(), "a"), derive(&key(), "b"));
    assert_ne!(derive(&key(), "a"), derive(&MasterKey::generate().unwrap(), "a"));
}

/// The second test vector of RFC 7914, section 12.
#[test]
fn password_key_is_that_of_the_scrypt_vectors() {
    let cost = ScryptCost { n: 1024, r: 8, p: 16 };
    let key = key_of_password("password", b"NaCl", cost).unwrap();
    assert_eq!(key.encrypt()[..8], [0xfd, 0xba, 0xbe, 0x1c, 0x9d, 0x34, 0x72, 0x00]);
    assert_eq!(key.mac_k()[..8], [0x2e, 0xaf, 0x30, 0xd9, 0x2e, 0x22, 0xa3, 0x88]);
    // With the bits cleared that Poly1305 ignores.
    assert_eq!(key.mac_r()[..8], [0xc7, 0x27, 0xaf, 0x09, 0x48, 0x83, 0xee, 0x0d]);
}

#[test]
fn hostile_scrypt_costs_are_refused() {
    let costs =
        [(0, 8, 1), (1, 8, 1), (3, 8, 1), (1 << 15, 0, 1), (1 << 15, 8, 0), (1 << 21, 8, 1)];
    let wide = [(1 << 63, 8, 1), (1 << 15, u32::MAX, 1), (1 << 15, 8, u32::MAX), (2, 8, 1 << 25)];
    for (n, r, p) in costs.into_iter().chain(wide) {
        let error = key_of_password("", b"", ScryptCost { n, r, p }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{n} {r} {p}");
    }
}
