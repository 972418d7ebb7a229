//! Sixteen lanes of AVX-512.
#![expect(unsafe_code, reason = "vector instructions read and write through pointers")]

use std::arch::x86_64::*;

use lockgate_types::Digest;

use super::lanes::{self, BLOCK};

/// Messages side by side.
pub(super) const LANES: usize = 16;

type Vector = __m512i;

/// Whether this CPU has the instructions.
pub(super) fn is_supported() -> bool {
    std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
}

/// The digests of `messages`, in their order. Only where the CPU has AVX-512 F and BW.
pub(super) fn digests(messages: &[&[u8]]) -> Vec<Digest> {
    assert!(is_supported(), "this engine was not offered");
    // SAFETY: the instructions are there, as asserted above.
    lanes::digests(messages, |states, slices, _, blocks| unsafe {
        compress(states, slices, blocks)
    })
}

lanes::compression!("avx512f,avx512bw");

/// Block `block` of every lane, as 16 vectors of one word of each lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_block(slices: &[&[[u8; BLOCK]]; LANES], block: usize) -> [Vector; 16] {
    let swap = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let rows: [Vector; LANES] = std::array::from_fn(|lane| {
        let bytes: &[u8; BLOCK] = &slices[lane][block];
        // SAFETY: `bytes` are 64 readable bytes; the instruction needs no alignment.
        let row = unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
        _mm512_shuffle_epi8(row, swap)
    });
    transpose(rows)
}

/// Rows of lanes to rows of words: first words within each group of four lanes, then the groups.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transpose(rows: [Vector; 16]) -> [Vector; 16] {
    // After this step `quads[4 * group + word]` holds, in each 128-bit part, that part's word of the group's lanes.
    let mut quads = rows;
    for group in quads.as_chunks_mut::<4>().0 {
        let [a, b, c, d] = *group;
        let (ab0, ab1) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (cd0, cd1) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        *group = [
            _mm512_unpacklo_epi64(ab0, cd0),
            _mm512_unpackhi_epi64(ab0, cd0),
            _mm512_unpacklo_epi64(ab1, cd1),
            _mm512_unpackhi_epi64(ab1, cd1),
        ];
    }
    let mut words = rows;
    for word in 0..4 {
        let [a, b, c, d] = [quads[word], quads[4 + word], quads[8 + word], quads[12 + word]];
        let (ab0, ab1) = (_mm512_shuffle_i32x4::<0x44>(a, b), _mm512_shuffle_i32x4::<0xee>(a, b));
        let (cd0, cd1) = (_mm512_shuffle_i32x4::<0x44>(c, d), _mm512_shuffle_i32x4::<0xee>(c, d));
        words[word] = _mm512_shuffle_i32x4::<0x88>(ab0, cd0);
        words[4 + word] = _mm512_shuffle_i32x4::<0xdd>(ab0, cd0);
        words[8 + word] = _mm512_shuffle_i32x4::<0x88>(ab1, cd1);
        words[12 + word] = _mm512_shuffle_i32x4::<0xdd>(ab1, cd1);
    }
    words
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_words(words: &[u32; LANES]) -> Vector {
    // SAFETY: sixteen readable words; the instruction needs no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn store_words(words: &mut [u32; LANES], vector: Vector) {
    // SAFETY: sixteen writable words; the instruction needs no alignment.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn broadcast(word: u32) -> Vector {
    _mm512_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn add(a: Vector, b: Vector) -> Vector {
    _mm512_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn shift<const BITS: u32>(a: Vector) -> Vector {
    _mm512_srli_epi32::<BITS>(a)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn rotate<const BITS: i32>(a: Vector) -> Vector {
    _mm512_ror_epi32::<BITS>(a)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn xor3(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0x96>(a, b, c)
}

/// For each bit: that of `b` where `a` has 1, else that of `c`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn choose(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0xca>(a, b, c)
}

/// For each bit: what at least two of the three have.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn majority(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0xe8>(a, b, c)
}
