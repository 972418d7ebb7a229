use zeroize::Zeroizing;

use super::MasterKey;
use crate::error::{Error, ErrorKind, Result};

/// What one guess of a password costs: the parameters of scrypt (RFC 7914), as a key file tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScryptCost {
    /// `N`: a power of two.
    pub(crate) n: u64,
    /// `r`.
    pub(crate) r: u32,
    /// `p`.
    pub(crate) p: u32,
}

impl ScryptCost {
    /// Of the keys that we make: 32 MiB of memory, the usual outcome of restic's calibration.
    pub(crate) const DEFAULT: Self = Self { n: 1 << 15, r: 8, p: 1 };
    /// Most memory that a key file may make us take, in bytes. Key files come from the storage, which is not trusted.
    const MEMORY_BYTES_MAX: u64 = 1 << 30;
    /// Most rounds (`N * r * p`) that a key file may make us do: 256 times our default.
    const ROUNDS_MAX: u64 = 1 << 26;

    pub(crate) fn checked(self) -> Result<scrypt::Params> {
        let unfit = |why: &str| Error::corrupt("a key file", format!("its scrypt {why}"));
        if !self.n.is_power_of_two() || self.n < 2 {
            return Err(unfit("parameter N is not a power of two above 1"));
        }
        if self.r == 0 || self.p == 0 {
            return Err(unfit("parameters r and p must not be 0"));
        }
        let blocks = self.n.saturating_mul(u64::from(self.r));
        if blocks.saturating_mul(128) > Self::MEMORY_BYTES_MAX {
            return Err(unfit("parameters ask for more than 1 GiB of memory"));
        }
        if blocks.saturating_mul(u64::from(self.p)) > Self::ROUNDS_MAX {
            return Err(unfit("parameters ask for more work than is sensible"));
        }
        let log_n = u8::try_from(self.n.trailing_zeros()).expect("a u64 has 64 bits");
        scrypt::Params::new(log_n, self.r, self.p).map_err(|_| unfit("parameters do not fit"))
    }
}

/// The key that a password opens a key file with. Takes a noticeable time of one core.
///
/// # Errors
/// When the parameters make no sense or ask for too much.
pub(crate) fn key_of_password(password: &str, salt: &[u8], cost: ScryptCost) -> Result<MasterKey> {
    let params = cost.checked()?;
    let mut bytes = Zeroizing::new([0; 64]);
    scrypt::scrypt(password.as_bytes(), salt, &params, bytes.as_mut())
        .map_err(|_| Error::new(ErrorKind::Invalid, "scrypt cannot give 64 bytes"))?;
    Ok(MasterKey::from_bytes(&bytes))
}
