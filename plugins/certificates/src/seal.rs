//! Sealing with age (<https://age-encryption.org/v1>), so that the operator's own tool opens what lockgate sealed.

use std::io::{Read, Write};

use age::stream::{StreamReader, StreamWriter};
use age::x25519;
use lockgate_plugin::{Context, Error, Result, credentials, credentials_reveal};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What the name of a sealed entry ends in. Nothing else is archived under such a name.
pub const ENDING: &[u8] = b".age";

/// Most recipients: each adds some 100 bytes to every sealed file.
const RECIPIENTS_MAX: usize = 20;

/// Name of the credential that opens what is sealed.
const IDENTITY: &str = "identity";

/// Bytes of an identity, with room for white space; a larger secret is none.
const IDENTITY_BYTES_MAX: usize = 4096;

/// For whom a backup seals.
pub struct Recipients {
    keys: Vec<x25519::Recipient>,
    id: String,
}

impl Recipients {
    /// Reads the configuration's recipients.
    ///
    /// # Errors
    /// When there are none, too many, or one is none.
    pub fn parse(texts: &[String]) -> Result<Self> {
        if texts.is_empty() || texts.len() > RECIPIENTS_MAX {
            return Err(Error::config(format!(
                "recipients: name 1 to {RECIPIENTS_MAX} public keys of age, as `age-keygen` prints them"
            )));
        }
        let key = |text: &String| {
            text.parse::<x25519::Recipient>().map_err(|cause| {
                let begin: String = text.chars().take(20).collect();
                Error::config(format!("recipients: {begin:?}... is no public key of age: {cause}"))
            })
        };
        let keys = texts.iter().map(key).collect::<Result<Vec<_>>>()?;
        let mut sorted: Vec<String> = keys.iter().map(ToString::to_string).collect();
        sorted.sort();
        sorted.dedup();
        let id = hexadecimal(&Sha256::digest(sorted.join("\n")));
        Ok(Self { keys, id })
    }

    /// Equal for the same set of recipients. What was sealed for another set must be sealed anew.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals what is written; its `finish` completes it.
    ///
    /// # Errors
    /// When `output` fails.
    pub fn seal<W: Write>(&self, output: W) -> Result<StreamWriter<W>> {
        let keys = self.keys.iter().map(|key| key as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(keys)
            .map_err(|cause| Error::other(format!("sealing: {cause}")))?;
        Ok(encryptor.wrap_output(output)?)
    }

    /// [`Recipients::seal`] of a few bytes.
    ///
    /// # Errors
    /// Never with valid recipients.
    pub fn seal_bytes(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let mut sealed = Vec::new();
        let mut writer = self.seal(&mut sealed)?;
        writer.write_all(bytes)?;
        writer.finish()?;
        Ok(sealed)
    }
}

/// What opens sealed files.
pub struct Identity(x25519::Identity);

impl Identity {
    /// The one that is granted as a credential.
    ///
    /// # Errors
    /// When none is granted, the plugin may not see it, or it is none.
    pub fn granted() -> Result<Self> {
        const NEED: &str =
            "sealed files need the age identity: `credentials.identity` with `reveal = true`";
        let credential = credentials::open(IDENTITY).context(NEED)?;
        let secret = credentials_reveal::reveal(&credential).context(NEED)?;
        Self::parse(&Zeroizing::new(secret))
    }

    /// Reads `AGE-SECRET-KEY-1...`.
    ///
    /// # Errors
    /// When it is something else. The error repeats nothing of it.
    pub fn parse(secret: &[u8]) -> Result<Self> {
        let wrong = || {
            Error::auth(
                "credential identity is no identity of age: its first line must begin with AGE-SECRET-KEY-1",
            )
        };
        let secret = secret.get(..secret.len().min(IDENTITY_BYTES_MAX)).unwrap_or_default();
        let text = std::str::from_utf8(secret).map_err(|_| wrong())?;
        Ok(Self(text.trim().parse().map_err(|_| wrong())?))
    }

    /// Opens what was sealed. A read fails where the content was changed or is cut short.
    ///
    /// # Errors
    /// When it was sealed for others, or is not sealed.
    pub fn open<R: Read>(&self, sealed: R) -> Result<StreamReader<R>> {
        let decryptor = age::Decryptor::new(sealed).map_err(refused)?;
        decryptor.decrypt(std::iter::once(&self.0 as &dyn age::Identity)).map_err(refused)
    }

    /// [`Identity::open`] of a few bytes.
    ///
    /// # Errors
    /// Also when there are more than `max`.
    pub fn open_bytes(&self, sealed: &[u8], max: u64) -> Result<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(Vec::new());
        self.open(sealed)?.take(max + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max {
            return Err(Error::corrupt("what was sealed is longer than it can be"));
        }
        Ok(bytes)
    }
}

fn refused(cause: age::DecryptError) -> Error {
    use age::DecryptError as Cause;
    match cause {
        Cause::NoMatchingKeys => {
            Error::auth("the identity is not one of those that the backup was sealed for")
        }
        Cause::Io(error) => error.into(),
        other => Error::corrupt(format!("a sealed file cannot be opened: {other}")),
    }
}

/// Lower-case digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What age draws from in a component: the contract's `random`.
#[cfg(target_family = "wasm")]
mod randomness {
    use std::num::NonZeroU32;

    use lockgate_plugin::random;

    /// Bytes that the host gives at a time.
    const DRAW_BYTES: usize = 64 << 10;

    fn draw(buffer: &mut [u8]) -> Result<(), getrandom::Error> {
        let failed = || getrandom::Error::from(NonZeroU32::MAX);
        for piece in buffer.chunks_mut(DRAW_BYTES) {
            let drawn = random::bytes(piece.len() as u32).map_err(|_| failed())?;
            if drawn.len() != piece.len() {
                return Err(failed());
            }
            piece.copy_from_slice(&drawn);
        }
        Ok(())
    }

    getrandom::register_custom_getrandom!(draw);
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret;

    use super::*;

    fn pair() -> (Recipients, Identity, String) {
        let key = x25519::Identity::generate();
        let public = key.to_public().to_string();
        (Recipients::parse(std::slice::from_ref(&public)).unwrap(), Identity(key), public)
    }

    #[test]
    fn only_the_identity_opens_what_was_sealed() {
        let (recipients, identity, _) = pair();
        let sealed = recipients.seal_bytes(b"secret").unwrap();
        assert!(!sealed.windows(6).any(|bytes| bytes == b"secret"));
        assert_eq!(identity.open_bytes(&sealed, 6).unwrap().as_slice(), b"secret");
        assert!(identity.open_bytes(&sealed, 5).is_err());
        let stranger = pair().1.open_bytes(&sealed, 6).unwrap_err();
        assert!(matches!(stranger.failure(), lockgate_plugin::Failure::Auth(_)), "{stranger}");
        for cut in 0..sealed.len() {
            assert!(identity.open_bytes(&sealed[..cut], 6).is_err(), "{cut}");
        }
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(identity.open_bytes(&changed, 6).is_err());
    }

    #[test]
    fn a_set_of_recipients_has_one_id() {
        let ((_, _, one), (_, _, two)) = (pair(), pair());
        let id = |texts: &[&String]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).clone()).collect();
            Recipients::parse(&texts).unwrap().id().to_owned()
        };
        assert_eq!(id(&[&one, &two]), id(&[&two, &one]));
        assert_ne!(id(&[&one]), id(&[&one, &two]));
        for wrong in [&[][..], &["age1x".to_owned()], &vec![one.clone(); 21]] {
            assert!(Recipients::parse(wrong).is_err());
        }
    }

    #[test]
    fn a_wrong_identity_is_not_repeated() {
        let text = x25519::Identity::generate().to_string();
        assert!(Identity::parse(format!("{}\n", text.expose_secret()).as_bytes()).is_ok());
        let error = Identity::parse(b"hunter2").err().unwrap().to_string();
        assert!(!error.contains("hunter2") && error.contains("AGE-SECRET-KEY-1"), "{error}");
    }
}
