use std::sync::Arc;

use bytes::Bytes;
use lockgate_storage::Storage;
use lockgate_types::Digest;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::format::{Config, KeyFile, MasterKeyJson, Time};
use crate::index::LastIndex;
use crate::layout::{self, FileKind, off_reactor};
use crate::seal::{self, MasterKey, ScryptCost, key_of_password};
use crate::{limits, lock};

/// A repository that was opened with a password. Cheap to clone.
#[derive(Clone)]
pub struct Repository {
    inner: Arc<Inner>,
}

struct Inner {
    storage: Storage,
    key: MasterKey,
    /// The key file that it was opened with.
    key_id: Digest,
    config: Config,
    last_index: LastIndex,
}

impl Inner {
    fn new(storage: Storage, key: MasterKey, key_id: Digest, config: Config) -> Self {
        Self { storage, key, key_id, config, last_index: LastIndex::default() }
    }
}

/// How a new repository is made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InitOptions {
    /// Cost of scrypt, a power of two: 2^15 takes about 0.1 s and 32 MiB.
    pub scrypt_n: u64,
}

impl Default for InitOptions {
    fn default() -> Self {
        Self { scrypt_n: ScryptCost::DEFAULT.n }
    }
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Repository({} in {})", self.id(), self.storage().location())
    }
}

impl Repository {
    /// Makes a new repository. The key is written first and the file `config` last: before that there is no repository.
    ///
    /// # Errors
    /// `RepositoryExists` when there is one already.
    pub async fn init(storage: Storage, password: &str, options: InitOptions) -> Result<Self> {
        if config_exists(&storage).await? {
            return Err(exists(&storage));
        }
        let key = MasterKey::generate()?;
        let config = Config::generate(seal::random)?;
        let folders = layout::folders();
        let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
        storage.create_folders(&folders).await?;

        let (secret, password) = (key.clone(), Zeroizing::new(password.to_owned()));
        let key_file = off_reactor(move || wrap(&secret, &password, options.scrypt_n)).await?;
        let json = key_file.print();
        let key_id = layout::digest(&json);
        let name = FileKind::Key.name(&key_id);
        storage.put(&name, vec![Bytes::from(json)]).await?;

        let sealed = key.seal(&config.print())?;
        match storage.put(layout::CONFIG, vec![Bytes::from(sealed)]).await {
            Ok(()) => {}
            // Somebody else was faster; their config does not open with our key, which must not stay.
            Err(error) if error.kind() == lockgate_storage::ErrorKind::AlreadyExists => {
                storage.delete(&name).await?;
                return Err(exists(&storage));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Self { inner: Arc::new(Inner::new(storage, key, key_id, config)) })
    }

    /// Opens the repository at `storage`.
    ///
    /// # Errors
    /// `NoRepository`, `WrongPassword`, `UnsupportedVersion`, `Corrupt`, or `Storage`.
    pub async fn open(storage: Storage, password: &str) -> Result<Self> {
        let sealed = match storage.get(layout::CONFIG).await {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == lockgate_storage::ErrorKind::NotFound => {
                let text = format!("there is no repository at {}", storage.location());
                return Err(Error::new(ErrorKind::NoRepository, text).with_source(error));
            }
            Err(error) => return Err(error.into()),
        };
        let password = Zeroizing::new(password.to_owned());
        let (mut tried, mut damaged) = (0, None);
        for file in layout::list_files(&storage, FileKind::Key).await? {
            if tried == limits::KEYS_TRIED_MAX {
                tracing::warn!(tried, "the repository has more keys than are tried");
                break;
            }
            tried += 1;
            let key_file = match load_key(&storage, &file.id).await {
                Ok(key_file) => key_file,
                Err(error) if error.kind() == ErrorKind::Storage => return Err(error),
                Err(error) => {
                    damaged = Some(error);
                    continue;
                }
            };
            let (secret, config) = (password.clone(), sealed.clone());
            let opened = off_reactor(move || unwrap(&key_file, &secret, &config)).await?;
            // A key that opens with the password may still be the rest of an `init` that somebody else won.
            if let Some((key, config)) = opened {
                let config = Config::parse(&config)?;
                let inner = Inner::new(storage, key, file.id, config);
                return Ok(Self { inner: Arc::new(inner) });
            }
        }
        if let Some(error) = damaged {
            return Err(error);
        }
        let text = match tried {
            0 => format!("repository at {} has no key", storage.location()),
            _ => format!(
                "no key of the repository at {} opens with this password",
                storage.location()
            ),
        };
        let kind = if tried == 0 { ErrorKind::Corrupt } else { ErrorKind::WrongPassword };
        Err(Error::new(kind, text))
    }

    /// 64 hexadecimal digits, chosen at random when the repository was made.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.inner.config.id
    }

    /// Where it is kept.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.inner.storage
    }

    /// What its readers and writers share.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    pub(crate) fn key(&self) -> &MasterKey {
        &self.inner.key
    }

    pub(crate) fn last_index(&self) -> &LastIndex {
        &self.inner.last_index
    }

    /// The key file that it was opened with.
    pub(crate) fn key_id(&self) -> Digest {
        self.inner.key_id
    }
}

async fn config_exists(storage: &Storage) -> Result<bool> {
    match storage.size(layout::CONFIG).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == lockgate_storage::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn exists(storage: &Storage) -> Error {
    let text = format!("there is a repository at {} already", storage.location());
    Error::new(ErrorKind::RepositoryExists, text)
}

pub(crate) async fn load_key(storage: &Storage, id: &Digest) -> Result<KeyFile> {
    let name = FileKind::Key.name(id);
    let json = storage.get(&name).await?;
    if layout::digest(&json) != *id {
        return Err(Error::corrupt(format!("file {name}"), "its SHA-256 is not its name"));
    }
    KeyFile::parse(&json).map_err(|error| error.at(name))
}

pub(crate) fn wrap(key: &MasterKey, password: &str, scrypt_n: u64) -> Result<KeyFile> {
    let mut salt = vec![0; 64];
    seal::random(&mut salt)?;
    let cost = ScryptCost { n: scrypt_n, ..ScryptCost::DEFAULT };
    let user_key = key_of_password(password, &salt, cost)?;
    let secret = MasterKeyJson::new(key.encrypt(), key.mac_k(), key.mac_r());
    let data = user_key.seal(&Zeroizing::new(secret.print()))?;
    Ok(KeyFile {
        created: Time::now(),
        username: lock::process::user_name(),
        hostname: lock::process::host_name(),
        kdf: "scrypt".to_owned(),
        n: cost.n,
        r: cost.r,
        p: cost.p,
        salt,
        data,
    })
}

/// The master key and the plain config; none when the password is not that of the key, or the key not of the config.
pub(crate) fn unwrap(
    file: &KeyFile,
    password: &str,
    config: &[u8],
) -> Result<Option<(MasterKey, Vec<u8>)>> {
    let cost = ScryptCost { n: file.n, r: file.r, p: file.p };
    let user_key = key_of_password(password, &file.salt, cost)?;
    let Ok(json) = user_key.open(&file.data).map(Zeroizing::new) else { return Ok(None) };
    let (encrypt, mac_k, mac_r) = MasterKeyJson::parse(&json)?
        .parts()
        .ok_or_else(|| Error::corrupt("master key", "a part has the wrong length"))?;
    let key = MasterKey::from_parts(encrypt, mac_k, mac_r);
    Ok(key.open(config).ok().map(|config| (key, config)))
}
