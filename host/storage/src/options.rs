use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::error::{Error, ErrorKind};
use crate::limits;

/// Settings of a storage, by name: those of this crate below, and those of the service with `-` for `_`, as
/// `access-key-id`, `secret-access-key`, `region` and `endpoint` of S3.
///
/// | name | meaning | default |
/// |---|---|---|
/// | `timeout` | seconds for one small operation | 30 |
/// | `io-timeout` | seconds for one piece of a download or one page of a listing | 60 |
/// | `write-timeout` | seconds for one upload | 300 |
/// | `retries` | attempts after the first one | 5 |
/// | `concurrency` | operations at a time | 32 |
/// | `limit-upload-kib` | KiB a second that are uploaded, on average | no limit |
/// | `limit-download-kib` | KiB a second that are downloaded, on average | no limit |
/// | `conditional-writes` | `false` for a server that cannot write only when a name is free: it is asked first | true |
/// | `consistent-listings` | whether a listing shows all that was stored before; where not, a lock waits | what the service promises |
/// | `ca-certificate` | a PEM file of certificates to trust besides those of the system | none |
///
/// S3 also takes credentials from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_PROFILE` and the
/// files of the AWS tools; from the metadata service of a cloud machine only with `disable-ec2-metadata = "false"`.
///
/// Values are never printed.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct StorageOptions {
    values: BTreeMap<String, String>,
}

/// The settings of this crate, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tuning {
    pub(crate) timeout: Duration,
    pub(crate) io_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) retries: usize,
    pub(crate) concurrency: usize,
    /// In bytes a second.
    pub(crate) upload_speed: Option<u64>,
    /// In bytes a second.
    pub(crate) download_speed: Option<u64>,
    pub(crate) conditional_writes: bool,
    /// None when nobody says.
    pub(crate) consistent_listings: Option<bool>,
    pub(crate) ca_certificate: Option<PathBuf>,
}

const TUNING: [&str; 10] = [
    "timeout",
    "io-timeout",
    "write-timeout",
    "retries",
    "concurrency",
    "limit-upload-kib",
    "limit-download-kib",
    "conditional-writes",
    "consistent-listings",
    "ca-certificate",
];

impl StorageOptions {
    /// No settings: the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces one setting.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    /// Adds or replaces one setting.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.insert(name.into(), value.into());
    }

    /// The value of one setting.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The names of the settings, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// What is left for the service, with the names as OpenDAL writes them.
    pub(crate) fn of_service(&self) -> impl Iterator<Item = (String, String)> {
        self.values
            .iter()
            .filter(|(name, _)| !TUNING.contains(&name.as_str()))
            .map(|(name, value)| (name.replace('-', "_"), value.clone()))
    }

    /// # Errors
    /// When a number is not one or is out of its bounds, or a truth value is neither.
    pub(crate) fn tuning(&self, location: &str) -> Result<Tuning, Error> {
        let seconds = |name: &'static str, default: Duration| {
            let most = usize::try_from(limits::TIMEOUT_MAX.as_secs()).unwrap_or(usize::MAX);
            let number = self.number(location, name, 1, most)?;
            Ok::<_, Error>(number.map_or(default, |number| Duration::from_secs(number as u64)))
        };
        let speed = |name: &'static str| {
            let kib = self.number(location, name, limits::SPEED_KIB_MIN, limits::SPEED_KIB_MAX)?;
            Ok::<_, Error>(kib.map(|kib| kib as u64 * 1024))
        };
        Ok(Tuning {
            timeout: seconds("timeout", limits::TIMEOUT_DEFAULT)?,
            io_timeout: seconds("io-timeout", limits::IO_TIMEOUT_DEFAULT)?,
            write_timeout: seconds("write-timeout", limits::WRITE_TIMEOUT_DEFAULT)?,
            retries: self
                .number(location, "retries", 0, limits::RETRIES_MAX)?
                .unwrap_or(limits::RETRIES_DEFAULT),
            concurrency: self
                .number(location, "concurrency", 1, limits::CONCURRENCY_MAX)?
                .unwrap_or(limits::CONCURRENCY_DEFAULT),
            upload_speed: speed("limit-upload-kib")?,
            download_speed: speed("limit-download-kib")?,
            conditional_writes: self.truth(location, "conditional-writes")?.unwrap_or(true),
            consistent_listings: self.truth(location, "consistent-listings")?,
            ca_certificate: self.get("ca-certificate").map(PathBuf::from),
        })
    }

    fn truth(&self, location: &str, name: &'static str) -> Result<Option<bool>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => {
                let cause = format!("the option {name} is neither true nor false");
                Err(Error::new(ErrorKind::InvalidUrl, "use", location, cause)
                    .with_hint(format!("correct the option {name}")))
            }
        }
    }

    fn number(
        &self,
        location: &str,
        name: &'static str,
        least: usize,
        most: usize,
    ) -> Result<Option<usize>, Error> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse::<usize>() {
            Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(Error::new(
                ErrorKind::InvalidUrl,
                "use",
                location,
                format!("the option {name} is not a number from {least} to {most}"),
            )
            .with_hint(format!("correct the option {name}"))),
        }
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for StorageOptions {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(settings: I) -> Self {
        let values =
            settings.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { values }
    }
}

impl fmt::Debug for StorageOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.values.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_printed() {
        let options =
            StorageOptions::new().with("secret-access-key", "hunter2").with("region", "x");
        assert_eq!(format!("{options:?}"), r#"{"region", "secret-access-key"}"#);
    }

    #[test]
    fn values_out_of_bounds_are_refused() {
        for (name, value) in [
            ("retries", "101"),
            ("retries", "-1"),
            ("concurrency", "0"),
            ("timeout", "x"),
            ("timeout", "0"),
            ("limit-upload-kib", "15"),
            ("limit-download-kib", "fast"),
            ("conditional-writes", "no"),
            ("consistent-listings", ""),
        ] {
            let error = StorageOptions::new().with(name, value).tuning("memory:").unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
            assert_eq!(error.kind(), ErrorKind::InvalidUrl);
        }
        let tuning = StorageOptions::new().with("io-timeout", "7").tuning("memory:").unwrap();
        assert_eq!(tuning.io_timeout, Duration::from_secs(7));
    }

    #[test]
    fn settings_of_the_service_get_its_spelling() {
        let options = StorageOptions::from_iter([("access-key-id", "k"), ("retries", "1")]);
        let left: Vec<_> = options.of_service().collect();
        assert_eq!(left, [("access_key_id".to_owned(), "k".to_owned())]);
    }
}
