use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// The versions of the format that are read here; only the last is written.
const VERSIONS: std::ops::RangeInclusive<u32> = 1..=2;
const VERSION: u32 = 2;
/// Degree of a chunker's polynomial.
const DEGREE: u32 = 53;

/// The file `config`: what all readers and writers of a repository share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// 2 in all that is written here; 1 has no compression.
    pub version: u32,
    /// 64 hexadecimal digits, chosen at random.
    pub id: String,
    /// Irreducible, of degree 53 over GF(2); bit n is the coefficient of xⁿ.
    pub chunker_polynomial: u64,
}

#[derive(Serialize, Deserialize)]
struct ConfigJson<'a> {
    version: u32,
    #[serde(borrow)]
    id: std::borrow::Cow<'a, str>,
    chunker_polynomial: String,
}

impl Config {
    /// A new one; `random` fills a slice with random bytes.
    ///
    /// # Errors
    /// Those of `random`.
    pub fn generate(mut random: impl FnMut(&mut [u8]) -> Result<()>) -> Result<Self> {
        let mut id = [0; 32];
        random(&mut id)?;
        let id = lockgate_types::Digest(id).to_string();
        // About one polynomial in 53 is irreducible, one in 27 of those with a constant term.
        loop {
            let mut bits = [0; 8];
            random(&mut bits)?;
            let low = u64::from_le_bytes(bits) & ((1 << DEGREE) - 1);
            let polynomial = 1 << DEGREE | low | 1;
            if is_irreducible(polynomial) {
                return Ok(Self { version: VERSION, id, chunker_polynomial: polynomial });
            }
        }
    }

    /// The JSON that is stored.
    #[must_use]
    pub fn print(&self) -> Vec<u8> {
        let json = ConfigJson {
            version: self.version,
            id: self.id.as_str().into(),
            chunker_polynomial: format!("{:x}", self.chunker_polynomial),
        };
        serde_json::to_vec(&json).expect("texts and numbers print")
    }

    /// Reads the JSON that is stored. Unknown members are skipped.
    ///
    /// # Errors
    /// `Corrupt` when it does not parse or the polynomial is reducible, `UnsupportedVersion` when it is newer.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let damaged = |why: &dyn std::fmt::Display| Error::corrupt("file config", why);
        let read: ConfigJson<'_> =
            serde_json::from_slice(json).map_err(|source| damaged(&source))?;
        if !VERSIONS.contains(&read.version) {
            let text = format!("repository has format version {}, known are 1 and 2", read.version);
            return Err(Error::new(ErrorKind::UnsupportedVersion, text));
        }
        let chunker_polynomial = u64::from_str_radix(&read.chunker_polynomial, 16)
            .map_err(|_| damaged(&"the polynomial is no hexadecimal number"))?;
        if !is_irreducible(chunker_polynomial) {
            return Err(damaged(&"the polynomial is not irreducible"));
        }
        Ok(Self { version: read.version, id: read.id.into_owned(), chunker_polynomial })
    }
}

fn degree(polynomial: u64) -> Option<u32> {
    polynomial.checked_ilog2()
}

/// Ben-Or's test: a polynomial of degree n is irreducible when it shares no factor with x^(2^i) - x for i up to n/2.
fn is_irreducible(polynomial: u64) -> bool {
    let Some(degree) = degree(polynomial) else { return false };
    let mut power = 2;
    for _ in 0..degree / 2 {
        power = multiply_modulo(power, power, polynomial);
        if greatest_common_divisor(polynomial, power ^ 2) != 1 {
            return false;
        }
    }
    degree > 0
}

fn multiply_modulo(left: u64, right: u64, modulus: u64) -> u64 {
    let top = 1 << degree(modulus).unwrap_or(0);
    let mut left = remainder(left, modulus);
    let (mut right, mut product) = (right, 0);
    while right != 0 {
        if right & 1 == 1 {
            product ^= left;
        }
        right >>= 1;
        left <<= 1;
        if left & top != 0 {
            left ^= modulus;
        }
    }
    product
}

fn remainder(dividend: u64, divisor: u64) -> u64 {
    let Some(divisor_degree) = degree(divisor) else { return 0 };
    let mut rest = dividend;
    while let Some(shift) = degree(rest).and_then(|degree| degree.checked_sub(divisor_degree)) {
        rest ^= divisor << shift;
    }
    rest
}

fn greatest_common_divisor(left: u64, right: u64) -> u64 {
    let (mut left, mut right) = (left, right);
    while right != 0 {
        (left, right) = (right, remainder(left, right));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn irreducible_polynomials_are_told_from_others() {
        // 0x3da3358b4dc173 is the example of restic's chunker, 0x25b468838dcb75 that of its design document.
        for polynomial in [0x3d_a335_8b4d_c173, 0x25_b468_838d_cb75, 0b111, 0b1011, 0b1_0011, 0b10]
        {
            assert!(is_irreducible(polynomial), "{polynomial:x}");
        }
        for polynomial in [0, 1, 0b101, 0b1111, 0b1_0101, 0x3d_a335_8b4d_c172, 0x3d_a335_8b4d_c175]
        {
            assert!(!is_irreducible(polynomial), "{polynomial:x}");
        }
    }

    #[test]
    fn small_polynomials_agree_with_trial_division() {
        for polynomial in 2u64..1024 {
            let has_factor = (2..polynomial)
                .filter(|factor| degree(*factor) < degree(polynomial) && degree(*factor) > Some(0))
                .any(|factor| remainder(polynomial, factor) == 0);
            assert_eq!(is_irreducible(polynomial), !has_factor, "{polynomial:b}");
        }
    }

    #[test]
    fn a_new_config_comes_back() {
        let mut state = 1u8;
        let config = Config::generate(|bytes| {
            for byte in bytes {
                state = state.wrapping_mul(77).wrapping_add(31);
                *byte = state;
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(degree(config.chunker_polynomial), Some(53));
        assert_eq!(Config::parse(&config.print()).unwrap(), config);
    }

    #[test]
    fn the_example_of_the_design_document_is_read_and_printed() {
        let json = br#"{"version":2,"id":"5956a3f67a6230d4a92cefb29529f10196c7d92582ec305fd71ff6d331d6271b","chunker_polynomial":"25b468838dcb75"}"#;
        assert_eq!(Config::parse(json).unwrap().print(), json);
    }

    #[test]
    fn newer_versions_and_bad_polynomials_are_refused() {
        let parse = |version: u32, polynomial: &str| {
            let json = format!(
                r#"{{"version":{version},"id":"x","chunker_polynomial":"{polynomial}","more":[1]}}"#
            );
            Config::parse(json.as_bytes()).map_err(|error| error.kind())
        };
        assert!(parse(1, "25b468838dcb75").is_ok());
        assert_eq!(parse(3, "25b468838dcb75"), Err(ErrorKind::UnsupportedVersion));
        assert_eq!(parse(2, "25b468838dcb76"), Err(ErrorKind::Corrupt));
        assert_eq!(parse(2, "nothing"), Err(ErrorKind::Corrupt));
        assert_eq!(parse(2, "0"), Err(ErrorKind::Corrupt));
    }
}
