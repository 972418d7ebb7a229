//! Four lanes of the SHA instructions.
//!
//! Each round waits for the one before it, and the CPU can begin another message's meanwhile: two messages take hardly longer
//! than one, and four half as long as one after the other.
#![expect(unsafe_code, reason = "vector instructions read and write through pointers")]

use std::arch::x86_64::*;

use lockgate_types::Digest;

use super::lanes::{self, BLOCK, States};

/// Messages side by side.
const LANES: usize = 4;

/// Whether this CPU has the instructions.
pub(super) fn is_supported() -> bool {
    std::arch::is_x86_feature_detected!("sha") && std::arch::is_x86_feature_detected!("sse4.1")
}

/// The digests of `messages`, in their order. Only where the CPU has SHA and SSE 4.1.
pub(super) fn digests(messages: &[&[u8]]) -> Vec<Digest> {
    assert!(is_supported(), "this engine was not offered");
    // SAFETY: the instructions are there, as asserted above.
    lanes::digests(messages, |states, slices, busy, blocks| unsafe {
        match busy {
            1 => compress::<1>(states, slices, blocks),
            2 => compress::<2>(states, slices, blocks),
            3 => compress::<3>(states, slices, blocks),
            _ => compress::<4>(states, slices, blocks),
        }
    })
}

/// One run of `blocks` blocks in the first `BUSY` lanes: FIPS 180-4, section 6.2.2. The instructions do two rounds at a time
/// and want the state in two vectors, with the words a, b, e, f and c, d, g, h, the first of them highest (Intel's Software
/// Developer's Manual, volume 2, `SHA256RNDS2`).
#[inline]
#[target_feature(enable = "sha,sse4.1")]
#[expect(
    clippy::needless_range_loop,
    reason = "`slices` has a lane for each message, and each lane its blocks"
)]
fn compress<const BUSY: usize>(
    states: &mut States<LANES>,
    slices: &[&[[u8; BLOCK]]; LANES],
    blocks: usize,
) {
    let mut abef: [__m128i; BUSY] = std::array::from_fn(|lane| words(states, lane, [5, 4, 1, 0]));
    let mut cdgh: [__m128i; BUSY] = std::array::from_fn(|lane| words(states, lane, [7, 6, 3, 2]));
    for block in 0..blocks {
        let before = (abef, cdgh);
        let mut schedule: [[__m128i; BUSY]; 4] = std::array::from_fn(|four| {
            std::array::from_fn(|lane| load(&slices[lane][block], four))
        });
        for (step, constants) in lanes::ROUND.as_chunks::<4>().0.iter().enumerate() {
            // SAFETY: `constants` are 16 readable bytes; the instruction needs no alignment.
            let constants = unsafe { _mm_loadu_si128(constants.as_ptr().cast()) };
            for lane in 0..BUSY {
                if step >= 4 {
                    let at = |ahead: usize| schedule[(step + ahead) % 4][lane];
                    schedule[step % 4][lane] = extend([at(0), at(1), at(2), at(3)]);
                }
                let keyed = _mm_add_epi32(schedule[step % 4][lane], constants);
                cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], keyed);
                let keyed = _mm_shuffle_epi32::<0x0e>(keyed);
                abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], keyed);
            }
        }
        for lane in 0..BUSY {
            abef[lane] = _mm_add_epi32(abef[lane], before.0[lane]);
            cdgh[lane] = _mm_add_epi32(cdgh[lane], before.1[lane]);
        }
    }
    for lane in 0..BUSY {
        keep(states, lane, [5, 4, 1, 0], abef[lane]);
        keep(states, lane, [7, 6, 3, 2], cdgh[lane]);
    }
}

/// The message schedule's next four words after these sixteen: FIPS 180-4, section 6.2.2, step 1.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn extend([first, second, third, fourth]: [__m128i; 4]) -> __m128i {
    let seven_ago = _mm_alignr_epi8::<4>(fourth, third);
    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(first, second), seven_ago);
    _mm_sha256msg2_epu32(sum, fourth)
}

/// The words of number `four` of the block's four vectors.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn load(block: &[u8; BLOCK], four: usize) -> __m128i {
    let swap = _mm_set_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let bytes: &[u8; 16] = &block.as_chunks::<16>().0[four];
    // SAFETY: `bytes` are 16 readable bytes; the instruction needs no alignment.
    _mm_shuffle_epi8(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }, swap)
}

/// The state's words with these numbers, the lowest first.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn words(states: &States<LANES>, lane: usize, numbers: [usize; 4]) -> __m128i {
    let [a, b, c, d] = numbers.map(|number| states[number][lane].cast_signed());
    _mm_setr_epi32(a, b, c, d)
}

/// Puts a vector's words, the lowest first, where these numbers say.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn keep(states: &mut States<LANES>, lane: usize, numbers: [usize; 4], vector: __m128i) {
    let mut words = [0_u32; 4];
    // SAFETY: 16 writable bytes; the instruction needs no alignment.
    unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), vector) };
    for (number, word) in numbers.into_iter().zip(words) {
        states[number][lane] = word;
    }
}
