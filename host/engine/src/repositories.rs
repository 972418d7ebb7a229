//! From a repository's configuration to an open repository.

use lockgate_repository::{Chunking, Compression, InitOptions, Repository, WriteOptions};
use lockgate_storage::{Storage, StorageOptions, StorageUrl};
use zeroize::Zeroizing;

use crate::configuration::{self, Secret};
use crate::{Error, ErrorKind, Result};

/// Where a repository is and how its password is found.
#[derive(Clone, Debug)]
pub struct Location {
    /// Where it is and how it is written to.
    pub settings: configuration::Repository,
    /// The password; instead of what the settings say.
    pub password: Option<Secret>,
}

impl Location {
    /// The repository of `settings`, with the password that they name.
    #[must_use]
    pub fn new(settings: configuration::Repository) -> Self {
        Self { settings, password: None }
    }

    fn storage(&self) -> Result<Storage> {
        let url: StorageUrl = self.settings.url.parse()?;
        let with =
            |options: StorageOptions, (name, value): (&String, &String)| options.with(name, value);
        let mut options = self.settings.options.iter().fold(StorageOptions::new(), with);
        for (name, limit) in [
            ("limit-upload-kib", self.settings.limit_upload_kib),
            ("limit-download-kib", self.settings.limit_download_kib),
        ] {
            if let Some(limit) = limit {
                options.set(name, limit.to_string());
            }
        }
        Ok(Storage::open(&url, &options)?)
    }

    fn password(&self) -> Result<Zeroizing<String>> {
        let settings = &self.settings;
        let named = || {
            let file = settings.password_file.clone().map(Secret::File);
            let variable = settings.password_variable.clone().map(Secret::Variable);
            file.or(variable).or_else(|| settings.password_command.clone().map(Secret::Command))
        };
        let secret = self.password.clone().or_else(named).ok_or_else(|| {
            Error::new(ErrorKind::Configuration, format!("no password for repository {}", settings.url))
                .with_hint("set password-file in the configuration, or LOCKGATE_PASSWORD, LOCKGATE_PASSWORD_FILE or LOCKGATE_PASSWORD_COMMAND")
        })?;
        secret.fetch().map_err(|error| {
            Error::new(ErrorKind::Configuration, format!("repository {}: {error}", settings.url))
        })
    }

    /// Makes a new repository.
    ///
    /// # Errors
    /// When there is one already, or the storage refuses.
    pub async fn init(&self) -> Result<Repository> {
        let (storage, password) = (self.storage()?, self.password()?);
        Ok(Repository::init(storage, &password, InitOptions::default()).await?)
    }

    /// Opens the repository.
    ///
    /// # Errors
    /// When there is none, the password is wrong, or the storage refuses.
    pub async fn open(&self) -> Result<Repository> {
        let (storage, password) = (self.storage()?, self.password()?);
        Ok(Repository::open(storage, &password).await?)
    }

    /// How new data is written.
    ///
    /// # Errors
    /// When the settings name an unknown compression or chunking.
    pub fn write_options(&self) -> Result<WriteOptions> {
        let write = &self.settings.write;
        let unknown = |what: &str, value: &str| {
            Error::new(ErrorKind::Configuration, format!("unknown {what} {value:?}"))
        };
        let compression: Compression =
            write.compression.parse().map_err(|_| unknown("compression", &write.compression))?;
        let chunking: Chunking =
            write.chunking.parse().map_err(|_| unknown("chunking", &write.chunking))?;
        let mebibytes = |count: u32| usize::try_from(u64::from(count) << 20).unwrap_or(usize::MAX);
        let mut options = WriteOptions::default();
        options.compression = compression;
        options.chunking = chunking;
        options.verify = write.verify;
        options.pack_bytes = mebibytes(write.pack_mib);
        options.memory_bytes = mebibytes(write.memory_mib);
        options.uploads = usize::try_from(write.uploads).unwrap_or(1);
        Ok(options)
    }
}
