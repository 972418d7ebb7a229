//! The checksums of frames: sections 2.1 and 2.2 of the specification.

/// Of the three bytes of a header before it: CRC-24 by P. Koopman with the polynomial 0x1974f0b.
pub fn crc24(bytes: [u8; 3]) -> u32 {
    let mut crc: u32 = 0x0087_5060;
    for byte in bytes {
        crc ^= u32::from(byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0197_4f0b;
            }
        }
    }
    crc & 0x00ff_ffff
}

/// What goes into the checksum of a payload before the payload does.
const INITIAL: [u8; 4] = [0xfa, 0x2d, 0x55, 0xca];

/// Of a payload: CRC-32 as in zlib, over four bytes of the protocol's own and the payload.
pub fn crc32(payload: &[u8]) -> u32 {
    let crc = INITIAL.iter().fold(u32::MAX, |crc, byte| step(crc, *byte));
    let (words, rest) = payload.as_chunks::<8>();
    let crc = words.iter().fold(crc, |crc, word| eight(crc, *word));
    !rest.iter().fold(crc, |crc, byte| step(crc, *byte))
}

/// `TABLES[n][byte]`: what `byte` does to the checksum when `n` more bytes follow it.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

#[inline]
fn look_up(table: usize, byte: u32) -> u32 {
    TABLES[table & 7][(byte & 0xff) as usize]
}

#[inline]
fn step(crc: u32, byte: u8) -> u32 {
    crc >> 8 ^ look_up(0, crc ^ u32::from(byte))
}

/// Eight bytes at a time, as all bytes of a backup pass here.
#[inline]
fn eight(crc: u32, word: [u8; 8]) -> u32 {
    let word = u64::from_le_bytes(word) ^ u64::from(crc);
    let (low, high) = (word as u32, (word >> 32) as u32);
    look_up(7, low)
        ^ look_up(6, low >> 8)
        ^ look_up(5, low >> 16)
        ^ look_up(4, low >> 24)
        ^ look_up(3, high)
        ^ look_up(2, high >> 8)
        ^ look_up(1, high >> 16)
        ^ look_up(0, high >> 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit by bit, as the definition has it.
    fn plain(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| match crc & 1 {
                1 => crc >> 1 ^ 0xedb8_8320,
                _ => crc >> 1,
            })
        })
    }

    #[test]
    fn the_fast_way_gives_what_the_definition_gives() {
        assert_eq!(plain(b"123456789"), 0xcbf4_3926);
        let payload: Vec<u8> = (0..1000_u32).map(|number| (number * 7 % 251) as u8).collect();
        for length in [0, 1, 7, 8, 9, 63, 1000] {
            let payload = &payload[..length];
            assert_eq!(crc32(payload), plain(&[&INITIAL, payload].concat()), "{length}");
        }
    }

    #[test]
    fn a_changed_header_is_seen() {
        let of = crc24([0x12, 0x34, 0x02]);
        assert!(of <= 0x00ff_ffff);
        for bit in 0..24 {
            let mut bytes = [0x12, 0x34, 0x02];
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(crc24(bytes), of);
        }
    }
}
