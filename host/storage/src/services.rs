//! The services that a location may name: scheme → cargo feature → how the operator is made. A new service is a new line in
//! `table!`.

use std::path::PathBuf;
use std::sync::Arc;

use opendal::{Builder, Operator};

use crate::error::{Error, ErrorKind};
use crate::local::{Folder, LocalBuilder};
use crate::options::StorageOptions;
use crate::url::{Address, Form, StorageUrl};

/// The scheme of folders of this machine.
pub(crate) const FS: &str = "fs";

/// One kind of location.
#[derive(Clone, Copy, Debug)]
pub struct Scheme {
    /// What a location starts with.
    pub name: &'static str,
    /// The cargo feature of this crate that brings it; none for what is always there.
    pub feature: Option<&'static str>,
    pub(crate) form: Form,
    /// The name of the bucket in the service's own settings.
    bucket_key: &'static str,
    /// None when this build has no such service.
    make: Option<Make>,
}

impl Scheme {
    /// Whether this build has it.
    #[must_use]
    pub fn is_built(&self) -> bool {
        self.make.is_some()
    }
}

/// A way to a location.
pub(crate) struct Made {
    pub(crate) operator: Operator,
    /// The folder itself, where the location is one of this machine.
    pub(crate) folder: Option<Arc<Folder>>,
}

impl From<Operator> for Made {
    fn from(operator: Operator) -> Self {
        Self { operator, folder: None }
    }
}

type Make = fn(&Address, Settings) -> Result<Made, opendal::Error>;
type Settings = Vec<(String, String)>;

macro_rules! table {
    ($($name:literal $feature:literal $form:ident $bucket:literal $service:ident $build:ident;)*) => {
        &[
            Scheme {
                name: FS, feature: None, form: Form::Path, bucket_key: "", make: Some(make_local),
            },
            $({
                #[cfg(feature = $feature)]
                let make: Option<Make> = Some($build::<opendal::services::$service>);
                #[cfg(not(feature = $feature))]
                let make: Option<Make> = None;
                Scheme {
                    name: $name, feature: Some($feature), form: Form::$form, bucket_key: $bucket, make,
                }
            }),*
        ]
    };
}

const TABLE: &[Scheme] = table! {
    // scheme  feature   form    bucket       service  made by
    "memory"   "memory"  Nothing ""           Memory   make;
    "s3"       "s3"      Bucket  "bucket"     S3       make_s3;
    "azblob"   "azblob"  Bucket  "container"  Azblob   make;
    "gcs"      "gcs"     Bucket  "bucket"     Gcs      make;
    "b2"       "b2"      Bucket  "bucket"     B2       make;
    "oss"      "oss"     Bucket  "bucket"     Oss      make;
    "cos"      "cos"     Bucket  "bucket"     Cos      make;
    "obs"      "obs"     Bucket  "bucket"     Obs      make;
    "swift"    "swift"   Bucket  "container"  Swift    make;
    "webdav"   "webdav"  Server  ""           Webdav   make;
    "ftp"      "ftp"     Server  ""           Ftp      make;
    "sftp"     "sftp"    Server  ""           Sftp     make;
};

/// Every kind of location that lockgate knows, built in or not.
#[must_use]
pub fn schemes() -> &'static [Scheme] {
    TABLE
}

fn form(scheme: &str) -> Option<Form> {
    TABLE.iter().find(|one| one.name == scheme).map(|one| one.form)
}

/// Whether objects are in folders that have to be made.
pub(crate) fn has_folders(scheme: &str) -> bool {
    matches!(form(scheme), Some(Form::Path | Form::Server))
}

/// Whether objects are reached over a network.
pub(crate) fn is_remote(scheme: &str) -> bool {
    matches!(form(scheme), Some(Form::Bucket | Form::Server))
}

/// Whether the service holds on to the very memory that it is given.
pub(crate) fn keeps_memory(scheme: &str) -> bool {
    matches!(form(scheme), Some(Form::Nothing))
}

/// # Errors
/// The reason, when the scheme is not known or not built in.
pub(crate) fn find(name: &str) -> Result<&'static Scheme, String> {
    let Some(scheme) = TABLE.iter().find(|scheme| scheme.name == name) else {
        let known: Vec<&str> =
            TABLE.iter().filter(|scheme| scheme.is_built()).map(|scheme| scheme.name).collect();
        let shown: String = name.chars().take(16).collect();
        return Err(format!(
            "the scheme {:?} is not known (known: {})",
            shown.escape_debug().to_string(),
            known.join(", ")
        ));
    };
    match scheme.feature {
        Some(feature) if !scheme.is_built() => Err(format!(
            "this build has no {name}; build lockgate with the cargo feature {feature}"
        )),
        _ => Ok(scheme),
    }
}

/// Makes the operator of a location, without layers.
///
/// # Errors
/// [`ErrorKind::InvalidUrl`] when the settings are not those of the service.
pub(crate) fn operator(url: &StorageUrl, options: &StorageOptions) -> Result<Made, Error> {
    let invalid = |cause: String| Error::new(ErrorKind::InvalidUrl, "use", &url.to_string(), cause);
    let scheme = find(url.scheme()).map_err(invalid)?;
    let mut settings: Settings = options.of_service().collect();
    if !scheme.bucket_key.is_empty() {
        settings.push((scheme.bucket_key.to_owned(), url.address.bucket.clone()));
    }
    if !url.address.endpoint.is_empty() {
        settings.push(("endpoint".to_owned(), url.address.endpoint.clone()));
    }
    // A setting that stands twice (in the location and in the options) must not differ.
    for (index, (name, value)) in settings.iter().enumerate() {
        let earlier = settings.iter().take(index).find(|(other, _)| other == name);
        if earlier.is_some_and(|(_, other)| other != value) {
            return Err(invalid(format!("the option {name} contradicts the location")));
        }
    }
    let Some(make) = scheme.make else { return Err(invalid("it is not built in".to_owned())) };
    make(&url.address, settings)
        .map_err(|error| Error::of_operation("use", &url.to_string(), None, error))
}

/// A service of OpenDAL, by its own settings.
fn make<B: Builder>(address: &Address, settings: Settings) -> Result<Made, opendal::Error>
where
    B::Config: Default,
{
    check_names::<B>(&settings)?;
    let root = ("root".to_owned(), address.root.clone());
    Operator::from_iter::<B>(settings.into_iter().chain([root])).map(Made::from)
}

#[cfg(feature = "s3")]
fn make_s3<B: Builder>(address: &Address, mut settings: Settings) -> Result<Made, opendal::Error>
where
    B::Config: Default,
{
    let mut default = |name: &str, value: &str| {
        if !settings.iter().any(|(other, _)| other == name) {
            settings.push((name.to_owned(), value.to_owned()));
        }
    };
    // Credentials that the machine's cloud hands to every process on it are taken only when asked for.
    default("disable_ec2_metadata", "true");
    if std::env::var_os("AWS_REGION").is_none() && std::env::var_os("AWS_DEFAULT_REGION").is_none()
    {
        default("region", "us-east-1");
    }
    make::<B>(address, settings)
}

fn make_local(address: &Address, settings: Settings) -> Result<Made, opendal::Error> {
    if let Some((name, _)) = settings.first() {
        return Err(unknown_setting(name, &[]));
    }
    let folder = Arc::new(Folder::new(PathBuf::from(&address.root)));
    let operator = Operator::new(LocalBuilder { folder: Arc::clone(&folder) })?;
    Ok(Made { operator, folder: Some(folder) })
}

/// OpenDAL takes any name; a misspelt one must not be ignored.
fn check_names<B: Builder>(settings: &Settings) -> Result<(), opendal::Error>
where
    B::Config: Default,
{
    let defaults = serde_json::to_value(B::Config::default()).map_err(|error| {
        opendal::Error::new(opendal::ErrorKind::Unexpected, "settings cannot be named")
            .set_source(error)
    })?;
    let known: Vec<&str> = defaults
        .as_object()
        .map(|map| map.keys().map(String::as_str).collect())
        .unwrap_or_default();
    match settings.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((name, _)) => Err(unknown_setting(name, &known)),
        None => Ok(()),
    }
}

fn unknown_setting(name: &str, known: &[&str]) -> opendal::Error {
    let known: Vec<String> = known.iter().map(|name| name.replace('_', "-")).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let name: String = name.replace('_', "-").chars().take(64).collect();
    opendal::Error::new(
        opendal::ErrorKind::ConfigInvalid,
        format!("the option {:?} is not known (known: {known})", name.escape_debug().to_string()),
    )
}
