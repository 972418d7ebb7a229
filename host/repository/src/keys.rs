//! Passwords: each has a key file with the same master key, sealed by a key that scrypt makes of the password. The form is
//! that of restic's public design document, section "Keys, Encryption and MAC".

use bytes::Bytes;
use lockgate_types::Digest;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::format::Time;
use crate::identifier;
use crate::layout::{self, CONFIG, FileKind, off_reactor};
use crate::lock::LockGuard;
use crate::open::{Repository, load_key, unwrap, wrap};
use crate::seal::ScryptCost;

/// A key file, as far as everyone may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub id: Digest,
    /// When it was made.
    pub created: Time,
    /// By whom.
    pub username: String,
    /// Where.
    pub hostname: String,
    /// Whether the repository was opened with it.
    pub is_current: bool,
}

/// How a key is made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeyOptions {
    /// Cost of scrypt, a power of two: 2^15 takes about 0.1 s and 32 MiB.
    pub scrypt_n: u64,
    /// Written into the key file; the name of the user who runs this when empty.
    pub username: String,
    /// Written into the key file; the name of this machine when empty.
    pub hostname: String,
}

impl Default for KeyOptions {
    fn default() -> Self {
        Self { scrypt_n: ScryptCost::DEFAULT.n, username: String::new(), hostname: String::new() }
    }
}

impl Repository {
    /// All keys, the oldest first. One that does not parse is left out; a check reports it.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn keys(&self) -> Result<Vec<Key>> {
        let mut keys = Vec::new();
        for file in self.list_files(FileKind::Key).await? {
            let key = match load_key(self.storage(), &file.id).await {
                Ok(key) => key,
                Err(error) if error.is_of_missing_file() => continue,
                Err(error) if error.kind() == ErrorKind::Storage => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "a key cannot be read");
                    continue;
                }
            };
            let is_current = file.id == self.key_id();
            let (username, hostname) = (key.username, key.hostname);
            keys.push(Key { id: file.id, created: key.created, username, hostname, is_current });
        }
        keys.sort_by_key(|key| (key.created.timestamp, key.id));
        Ok(keys)
    }

    /// Adds a key for another password. It is read back and tried before this returns.
    ///
    /// # Errors
    /// `Invalid` for an empty password, `Locked`, `Storage`, `Corrupt` when what was stored does not open.
    pub async fn add_key(&self, password: &str, options: &KeyOptions) -> Result<Digest> {
        refuse_empty(password)?;
        let lock = self.lock_shared().await?;
        let added = self.add_key_locked(password, options).await;
        let released = lock.release().await;
        let id = added?;
        released.map(|()| id)
    }

    /// Removes a key: the first digits of its id. The one that the repository was opened with stays, and so there is always
    /// one left.
    ///
    /// # Errors
    /// `NotFound`, `Ambiguous`, `Conflict` for the key in use, `Locked`, `Storage`.
    pub async fn remove_key(&self, prefix: &str) -> Result<Digest> {
        let lock = self.lock_exclusive().await?;
        let removed = self.remove_key_locked(prefix, &lock).await;
        let released = lock.release().await;
        let id = removed?;
        released.map(|()| id)
    }

    /// Replaces the key that the repository was opened with by one for another password. The new one is stored, read back
    /// and tried before the old one goes: whatever happens, one of the two passwords opens the repository.
    ///
    /// # Errors
    /// As those of adding and removing.
    pub async fn change_password(&self, password: &str, options: &KeyOptions) -> Result<Digest> {
        refuse_empty(password)?;
        let lock = self.lock_exclusive().await?;
        let changed = self.change_password_locked(password, options, &lock).await;
        let released = lock.release().await;
        let id = changed?;
        released.map(|()| id)
    }

    async fn change_password_locked(
        &self,
        password: &str,
        options: &KeyOptions,
        lock: &LockGuard,
    ) -> Result<Digest> {
        self.ensure_key_is_there().await?;
        let id = self.add_key_locked(password, options).await?;
        lock.ensure_held()?;
        self.delete_file(FileKind::Key, &self.key_id()).await?;
        Ok(id)
    }

    async fn add_key_locked(&self, password: &str, options: &KeyOptions) -> Result<Digest> {
        let (secret, typed) = (self.key().clone(), Zeroizing::new(password.to_owned()));
        let cost = options.scrypt_n;
        let mut file = off_reactor(move || wrap(&secret, &typed, cost)).await?;
        if !options.username.is_empty() {
            file.username.clone_from(&options.username);
        }
        if !options.hostname.is_empty() {
            file.hostname.clone_from(&options.hostname);
        }
        let json = file.print();
        let id = layout::digest(&json);
        self.storage().put(&FileKind::Key.name(&id), vec![Bytes::from(json)]).await?;

        let stored = load_key(self.storage(), &id).await?;
        let config = self.storage().get(CONFIG).await?;
        let typed = Zeroizing::new(password.to_owned());
        let opened = off_reactor(move || unwrap(&stored, &typed, &config)).await?;
        if opened.is_none_or(|(key, _)| key != *self.key()) {
            let what = format!("file {}", FileKind::Key.name(&id));
            return Err(Error::corrupt(what, "it does not open with its password")
                .with_hint("the other keys are as they were; remove this one"));
        }
        Ok(id)
    }

    async fn remove_key_locked(&self, prefix: &str, lock: &LockGuard) -> Result<Digest> {
        let files = self.list_files(FileKind::Key).await?;
        let id = identifier::find("key", files.iter().map(|file| file.id), prefix)?;
        if id == self.key_id() {
            let text = format!("key {} is the one in use", id.short());
            return Err(Error::new(ErrorKind::Conflict, text).with_hint(
                "open the repository with another password, or change this one with `lockgate key passwd`",
            ));
        }
        self.ensure_key_is_there().await?;
        lock.ensure_held()?;
        self.delete_file(FileKind::Key, &id).await?;
        Ok(id)
    }

    /// Somebody may have removed the key that we were opened with since: then no other one may go.
    async fn ensure_key_is_there(&self) -> Result<()> {
        load_key(self.storage(), &self.key_id()).await.map(drop).map_err(|error| {
            let text = format!("the key in use is no longer there: {error}");
            Error::new(ErrorKind::Conflict, text).with_source(error)
        })
    }
}

fn refuse_empty(password: &str) -> Result<()> {
    if password.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, "the new password is empty"));
    }
    Ok(())
}
