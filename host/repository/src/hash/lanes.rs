use lockgate_types::Digest;

/// Bytes of one block of SHA-256.
pub(super) const BLOCK: usize = 64;

/// The round constants of FIPS 180-4, section 4.2.2.
#[rustfmt::skip]
pub(super) const ROUND: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// The first state of FIPS 180-4, section 5.3.3.
const START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The states of all lanes: word by word, and in each word lane by lane.
pub(super) type States<const LANES: usize> = [[u32; LANES]; 8];

/// The compression function and the message schedule of SHA-256 over a `Vector` of `LANES` words. The operations on vectors are
/// those of the file that calls it, and so are the instructions that they need: functions that are compiled for other
/// instructions could not be part of them.
macro_rules! compression {
    ($features:literal) => {
        /// One run of `blocks` blocks in every lane: FIPS 180-4, section 6.2.2, with a vector in place of every word.
        #[inline]
        #[target_feature(enable = $features)]
        fn compress(
            states: &mut lanes::States<LANES>,
            slices: &[&[[u8; lanes::BLOCK]]; LANES],
            blocks: usize,
        ) {
            let mut state: [Vector; 8] = std::array::from_fn(|word| load_words(&states[word]));
            for block in 0..blocks {
                let mut schedule = load_block(slices, block);
                let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
                for (sixteen, constants) in lanes::ROUND.as_chunks::<16>().0.iter().enumerate() {
                    for round in 0..16 {
                        if sixteen > 0 {
                            schedule[round] = extend(&schedule, round);
                        }
                        let sum1 = xor3(rotate::<6>(e), rotate::<11>(e), rotate::<25>(e));
                        let keyed = add(schedule[round], broadcast(constants[round]));
                        let first = add(add(h, sum1), add(choose(e, f, g), keyed));
                        let sum0 = xor3(rotate::<2>(a), rotate::<13>(a), rotate::<22>(a));
                        let second = add(sum0, majority(a, b, c));
                        (h, g, f, e) = (g, f, e, add(d, first));
                        (d, c, b, a) = (c, b, a, add(first, second));
                    }
                }
                for (word, change) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
                    *word = add(*word, change);
                }
            }
            for (words, vector) in states.iter_mut().zip(state) {
                store_words(words, vector);
            }
        }

        /// The message schedule's word 16 places after the one at `round`.
        #[inline]
        #[target_feature(enable = $features)]
        fn extend(schedule: &[Vector; 16], round: usize) -> Vector {
            let at = |ahead: usize| schedule[(round + ahead) % 16];
            let (near, far) = (at(1), at(14));
            let sigma0 = xor3(rotate::<7>(near), rotate::<18>(near), shift::<3>(near));
            let sigma1 = xor3(rotate::<17>(far), rotate::<19>(far), shift::<10>(far));
            add(add(at(0), sigma0), add(at(9), sigma1))
        }
    };
}
pub(super) use compression;

/// Feeds messages to lanes: a lane whose message ends takes the next one, so that no lane idles while there is work.
struct Schedule<'a, const LANES: usize> {
    messages: &'a [&'a [u8]],
    next: usize,
    /// The busy ones come first.
    lanes: [Lane<'a>; LANES],
    busy: usize,
    states: States<LANES>,
    digests: Vec<Digest>,
}

/// One message on its way: its whole blocks first, then the padded rest.
#[derive(Clone, Copy)]
struct Lane<'a> {
    message: usize,
    blocks: &'a [[u8; BLOCK]],
    tail: [[u8; BLOCK]; 2],
    tail_next: usize,
    tail_end: usize,
}

/// The digests of all `messages`. `compress` advances the states of the first lanes, as many as its third argument says, by
/// the number of blocks that its last one says; the slices have at least so many. What it does to the others is not looked at.
pub(super) fn digests<const LANES: usize>(
    messages: &[&[u8]],
    compress: impl Fn(&mut States<LANES>, &[&[[u8; BLOCK]]; LANES], usize, usize),
) -> Vec<Digest> {
    let idle = Lane { message: 0, blocks: &[], tail: [[0; BLOCK]; 2], tail_next: 0, tail_end: 0 };
    let mut schedule = Schedule {
        messages,
        next: 0,
        lanes: [idle; LANES],
        busy: 0,
        states: [[0; LANES]; 8],
        digests: vec![Digest([0; 32]); messages.len()],
    };
    schedule.busy = (0..LANES).filter(|lane| schedule.start(*lane)).count();
    loop {
        let work = schedule.lanes.iter().take(schedule.busy).map(Lane::current);
        let Some(shortest) = work.min_by_key(|blocks| blocks.len()) else {
            return schedule.digests;
        };
        let slices = std::array::from_fn(|lane| match lane < schedule.busy {
            true => schedule.lanes[lane].current(),
            false => shortest,
        });
        let blocks = shortest.len();
        compress(&mut schedule.states, &slices, schedule.busy, blocks);
        schedule.advance(blocks);
    }
}

impl<'a, const LANES: usize> Schedule<'a, LANES> {
    /// Gives the next message to `lane`; false when there is none.
    fn start(&mut self, lane: usize) -> bool {
        let Some(message) = self.messages.get(self.next) else {
            return false;
        };
        self.lanes[lane] = Lane::new(self.next, message);
        self.next += 1;
        for (word, start) in self.states.iter_mut().zip(START) {
            word[lane] = start;
        }
        true
    }

    /// Takes note that `blocks` of every busy lane's message are done.
    fn advance(&mut self, blocks: usize) {
        // From the last, so that the lane that takes the place of an idle one is one that has advanced.
        for lane in (0..self.busy).rev() {
            if self.lanes[lane].advance(blocks) {
                continue;
            }
            let digest = &mut self.digests[self.lanes[lane].message];
            for (bytes, word) in digest.0.chunks_exact_mut(4).zip(&self.states) {
                bytes.copy_from_slice(&word[lane].to_be_bytes());
            }
            if !self.start(lane) {
                self.busy -= 1;
                self.lanes.swap(lane, self.busy);
                self.states.iter_mut().for_each(|word| word.swap(lane, self.busy));
            }
        }
    }
}

impl<'a> Lane<'a> {
    /// Pads as FIPS 180-4, section 5.1.1 says: a bit 1, zeros, and the length in bits.
    fn new(message: usize, bytes: &'a [u8]) -> Self {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        let tail_end = if rest.len() < BLOCK - 8 { 1 } else { 2 };
        let mut tail = [[0; BLOCK]; 2];
        tail[0][..rest.len()].copy_from_slice(rest);
        tail[0][rest.len()] = 0x80;
        let bits = (bytes.len() as u64).wrapping_mul(8);
        tail[tail_end - 1][BLOCK - 8..].copy_from_slice(&bits.to_be_bytes());
        Self { message, blocks, tail, tail_next: 0, tail_end }
    }

    /// The blocks that come next.
    fn current(&self) -> &[[u8; BLOCK]] {
        if !self.blocks.is_empty() {
            return self.blocks;
        }
        &self.tail[self.tail_next..self.tail_end]
    }

    /// Takes note that `blocks` of the current ones are done; whether there are more.
    fn advance(&mut self, blocks: usize) -> bool {
        if self.blocks.is_empty() {
            self.tail_next += blocks;
        } else {
            self.blocks = &self.blocks[blocks..];
        }
        self.tail_next < self.tail_end
    }
}
