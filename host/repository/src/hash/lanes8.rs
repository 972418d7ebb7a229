//! Eight lanes of AVX2.
#![expect(unsafe_code, reason = "vector instructions read and write through pointers")]

use std::arch::x86_64::*;

use lockgate_types::Digest;

use super::lanes::{self, BLOCK};

/// Messages side by side.
pub(super) const LANES: usize = 8;

type Vector = __m256i;

/// The digests of `messages`, in their order. Only where the CPU has AVX2.
pub(super) fn digests(messages: &[&[u8]]) -> Vec<Digest> {
    assert!(std::arch::is_x86_feature_detected!("avx2"), "this engine was not offered");
    // SAFETY: the instructions are there, as asserted above.
    lanes::digests(messages, |states, slices, _, blocks| unsafe {
        compress(states, slices, blocks)
    })
}

lanes::compression!("avx2");

/// Block `block` of every lane, as 16 vectors of one word of each lane.
#[inline]
#[target_feature(enable = "avx2")]
fn load_block(slices: &[&[[u8; BLOCK]]; LANES], block: usize) -> [Vector; 16] {
    let swap = _mm256_set_epi64x(
        0x0c0d_0e0f_0809_0a0b,
        0x0405_0607_0001_0203,
        0x0c0d_0e0f_0809_0a0b,
        0x0405_0607_0001_0203,
    );
    let mut words = [_mm256_setzero_si256(); 16];
    for half in 0..2 {
        let rows: [Vector; LANES] = std::array::from_fn(|lane| {
            let bytes: &[u8; 32] = &slices[lane][block].as_chunks::<32>().0[half];
            // SAFETY: `bytes` are 32 readable bytes; the instruction needs no alignment.
            let row = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
            _mm256_shuffle_epi8(row, swap)
        });
        words[8 * half..][..8].copy_from_slice(&transpose(rows));
    }
    words
}

/// Rows of lanes to rows of words.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose(rows: [Vector; 8]) -> [Vector; 8] {
    let [a, b, c, d, e, f, g, h] = rows;
    let (ab0, ab1) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let (cd0, cd1) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    let (ef0, ef1) = (_mm256_unpacklo_epi32(e, f), _mm256_unpackhi_epi32(e, f));
    let (gh0, gh1) = (_mm256_unpacklo_epi32(g, h), _mm256_unpackhi_epi32(g, h));
    let low = [
        _mm256_unpacklo_epi64(ab0, cd0),
        _mm256_unpackhi_epi64(ab0, cd0),
        _mm256_unpacklo_epi64(ab1, cd1),
        _mm256_unpackhi_epi64(ab1, cd1),
    ];
    let high = [
        _mm256_unpacklo_epi64(ef0, gh0),
        _mm256_unpackhi_epi64(ef0, gh0),
        _mm256_unpacklo_epi64(ef1, gh1),
        _mm256_unpackhi_epi64(ef1, gh1),
    ];
    std::array::from_fn(|word| {
        let (low, high) = (low[word % 4], high[word % 4]);
        if word < 4 {
            _mm256_permute2x128_si256::<0x20>(low, high)
        } else {
            _mm256_permute2x128_si256::<0x31>(low, high)
        }
    })
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_words(words: &[u32; LANES]) -> Vector {
    // SAFETY: eight readable words; the instruction needs no alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_words(words: &mut [u32; LANES], vector: Vector) {
    // SAFETY: eight writable words; the instruction needs no alignment.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn broadcast(word: u32) -> Vector {
    _mm256_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(a: Vector, b: Vector) -> Vector {
    _mm256_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn shift<const BITS: i32>(a: Vector) -> Vector {
    _mm256_srli_epi32::<BITS>(a)
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate<const BITS: i32>(a: Vector) -> Vector {
    let left = _mm256_sll_epi32(a, _mm_cvtsi32_si128(32 - BITS));
    _mm256_or_si256(_mm256_srli_epi32::<BITS>(a), left)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm256_xor_si256(_mm256_xor_si256(a, b), c)
}

/// For each bit: that of `b` where `a` has 1, else that of `c`.
#[inline]
#[target_feature(enable = "avx2")]
fn choose(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm256_xor_si256(c, _mm256_and_si256(a, _mm256_xor_si256(b, c)))
}

/// For each bit: what at least two of the three have.
#[inline]
#[target_feature(enable = "avx2")]
fn majority(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)))
}
