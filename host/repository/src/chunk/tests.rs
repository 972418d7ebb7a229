use super::*;

fn gear(seed: u8) -> Chunker {
    Chunker::keyed(&MasterKey::from_bytes(&[seed; 64]))
}

/// Irreducible, of degree 53.
const POLYNOMIAL: u64 = 0x3D_A335_8B4D_C173;

/// Pseudo-random bytes (xorshift), the same on every run.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Cuts `data` as a stream that grows by `steps` bytes in turn.
fn cuts(chunker: &Chunker, data: &[u8], steps: &[usize]) -> Vec<usize> {
    let (mut cutter, mut lengths) = (Cutter::default(), Vec::new());
    let (mut start, mut end) = (0, 0);
    for step in steps.iter().cycle() {
        while let Some(length) = cutter.cut(chunker, &data[start..end]) {
            lengths.push(length);
            start += length;
        }
        if end == data.len() {
            lengths.push(end - start);
            return lengths;
        }
        end = (end + step).min(data.len());
    }
    unreachable!("steps are cycled")
}

#[test]
fn steps_do_not_move_cuts() {
    let data = noise(20_000_000, 7);
    for chunker in [gear(1), Chunker::restic(POLYNOMIAL).unwrap()] {
        let whole = cuts(&chunker, &data, &[data.len()]);
        for steps in [&[65_536][..], &[1 << 20], &[1, 700_001, 13, 64, 99_999], &[524_287, 2]] {
            assert_eq!(cuts(&chunker, &data, steps), whole, "{steps:?}");
        }
    }
}

#[test]
fn rabin_cuts_by_the_last_64_bytes_only() {
    let (chunker, data) = (Chunker::restic(POLYNOMIAL).unwrap(), noise(20_000_000, 8));
    let lengths = cuts(&chunker, &data, &[1 << 20]);
    assert!(lengths.len() > 5);
    let mut end = 0;
    for length in &lengths[..lengths.len() - 1] {
        end += length;
        // The fingerprint by its definition: the window as a polynomial, reduced bit by bit.
        let mut fingerprint = 0_u64;
        for byte in &data[end - 64..end] {
            for bit in (0..8).rev() {
                fingerprint = fingerprint << 1 | u64::from(byte >> bit & 1);
                if fingerprint >> 53 == 1 {
                    fingerprint ^= POLYNOMIAL;
                }
            }
        }
        assert_eq!(fingerprint & 0xf_ffff, 0);
    }
    let zeros = cuts(&chunker, &vec![0; 9_000_000], &[1 << 20]);
    assert_eq!(zeros[0], CHUNK_BYTES_MIN, "a window of zeros has the fingerprint zero");
    assert!(Chunker::restic(POLYNOMIAL >> 1).is_err());
}

#[test]
fn lengths_keep_their_bounds_and_their_mean() {
    let lengths = cuts(&gear(2), &noise(100_000_000, 3), &[1 << 20]);
    let (_, inner) = lengths.split_last().unwrap();
    assert!(inner.iter().all(|length| (CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(length)));
    let mean = inner.iter().sum::<usize>() / inner.len();
    assert!((900_000..1_300_000).contains(&mean), "{mean}");
    let zeros = cuts(&gear(2), &vec![0; 3 * CHUNK_BYTES_MAX + 5], &[100_000]);
    assert_eq!(zeros, [CHUNK_BYTES_MAX, CHUNK_BYTES_MAX, CHUNK_BYTES_MAX, 5]);
}

#[test]
fn an_insertion_moves_only_the_cuts_near_it() {
    let (gear, data) = (gear(3), noise(30_000_000, 5));
    let mut changed = data.clone();
    changed.splice(1000..1000, [1, 2, 3]);
    let tail = |lengths: &[usize]| lengths.iter().rev().take(15).copied().collect::<Vec<_>>();
    let (before, after) = (cuts(&gear, &data, &[1 << 18]), cuts(&gear, &changed, &[1 << 18]));
    assert_eq!(tail(&before), tail(&after));
}

#[test]
fn another_key_cuts_elsewhere() {
    let data = noise(10_000_000, 9);
    assert_ne!(cuts(&gear(4), &data, &[1 << 20]), cuts(&gear(5), &data, &[1 << 20]));
}
