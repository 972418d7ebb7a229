use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::certificates::Certificates;
use crate::folder::Folder;
use crate::process::{Server, free_port, is_listening};
use crate::tools::versitygw;

const BUCKET: &str = "lockgate";
const ACCESS_KEY: &str = "lockgate-test";
const SECRET_KEY: &str = "lockgate-test-secret";

/// What a bucket does with objects under retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// There is no retention, and there are no versions.
    Plain,
    /// A deletion is refused.
    Refusing,
    /// As AWS has it: a deletion hides the object, and its version stays.
    Versioned,
}

/// An S3 server with one empty bucket.
#[derive(Debug)]
pub struct S3Server {
    /// `http://127.0.0.1:port`, or with `https` when it was started with TLS.
    pub endpoint: String,
    /// The name of the bucket.
    pub bucket: String,
    /// Of the owner of the bucket.
    pub access_key: String,
    /// Of the owner of the bucket.
    pub secret_key: String,
    /// A PEM file with the authority of the server's certificate, when it was started with TLS.
    pub ca_certificate: Option<PathBuf>,
    server: Server,
    // Dropped after the server.
    folder: Folder,
}

impl S3Server {
    /// Starts a server without TLS.
    ///
    /// # Errors
    /// When the server cannot be built or does not start.
    pub fn start() -> Result<Self> {
        Self::start_with(false, ACCESS_KEY, SECRET_KEY, Bucket::Plain)
    }

    /// Starts a server whose bucket has Object Lock, with a default retention that has not ended.
    ///
    /// # Errors
    /// When the server cannot be built or does not start.
    pub fn start_locked(bucket: Bucket) -> Result<Self> {
        let server = Self::start_with(false, ACCESS_KEY, SECRET_KEY, bucket)?;
        server.set_retention(true)?;
        Ok(server)
    }

    /// Starts a server without TLS whose bucket belongs to the owner of these keys.
    ///
    /// # Errors
    /// When the server cannot be built or does not start.
    pub fn start_for(access_key: &str, secret_key: &str) -> Result<Self> {
        Self::start_with(false, access_key, secret_key, Bucket::Plain)
    }

    /// Starts a server with a certificate of an authority that was made for it.
    ///
    /// # Errors
    /// When the server cannot be built or does not start.
    pub fn start_with_tls() -> Result<Self> {
        Self::start_with(true, ACCESS_KEY, SECRET_KEY, Bucket::Plain)
    }

    fn start_with(
        is_tls: bool,
        access_key: &str,
        secret_key: &str,
        bucket: Bucket,
    ) -> Result<Self> {
        let program = versitygw()?;
        let folder = Folder::create("lockgate-s3-")?;
        let port = free_port()?;
        let data = folder.path().join("data");
        // Metadata beside the objects, so that the file system needs no extended attributes.
        let metadata = folder.path().join("metadata");
        // A folder is a bucket.
        fs::create_dir_all(data.join(BUCKET))?;
        fs::create_dir_all(&metadata)?;
        let mut arguments =
            strings(["--access", access_key, "--secret", secret_key, "--quiet", "--keep-alive"]);
        arguments.extend(["--port".to_owned(), format!("127.0.0.1:{port}")]);
        let certificates = if is_tls { Some(Certificates::create(folder.path())?) } else { None };
        if let Some(files) = &certificates {
            arguments.extend(["--cert".to_owned(), text(&files.certificate)]);
            arguments.extend(["--key".to_owned(), text(&files.key)]);
        }
        arguments.extend(["posix".to_owned(), "--sidecar".to_owned(), text(&metadata)]);
        if bucket == Bucket::Versioned {
            let versions = folder.path().join("versions");
            fs::create_dir_all(&versions)?;
            arguments.extend(["--versioning-dir".to_owned(), text(&versions)]);
            // What the server itself writes when a bucket is told to have versions.
            fs::create_dir_all(metadata.join(BUCKET).join("meta"))?;
            fs::write(metadata.join(BUCKET).join("meta/versioning"), [1])?;
        }
        arguments.push(text(&data));
        let server = Server::start(&program, &arguments, &folder.path().join("log"))?;
        server.wait("versitygw", || is_listening(port))?;
        let protocol = if is_tls { "https" } else { "http" };
        Ok(Self {
            endpoint: format!("{protocol}://127.0.0.1:{port}"),
            bucket: BUCKET.to_owned(),
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            ca_certificate: certificates.map(|files| files.authority),
            server,
            folder,
        })
    }

    /// The location of `prefix` in the bucket, as lockgate and restic write it.
    #[must_use]
    pub fn location(&self, prefix: &str) -> String {
        format!("s3:{}/{}/{prefix}", self.endpoint, self.bucket)
    }

    /// The folder that holds the objects of the bucket as plain files, to look at them or to damage them.
    #[must_use]
    pub fn objects(&self) -> PathBuf {
        self.folder.path().join("data").join(BUCKET)
    }

    /// The folder that holds the versions of objects that were deleted, in a versioned bucket.
    #[must_use]
    pub fn versions(&self) -> PathBuf {
        self.folder.path().join("versions").join(BUCKET)
    }

    /// Whether the retention of all objects goes on, or has ended long ago.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn set_retention(&self, goes_on: bool) -> Result<()> {
        let length = if goes_on { "\"Years\":500" } else { "\"Days\":1" };
        // Which the server itself writes when it is told so; it dates the default from its beginning on.
        let lock = format!(
            r#"{{"Enabled":true,"DefaultRetention":{{"Mode":"COMPLIANCE",{length}}},"CreatedAt":"2020-01-01T00:00:00Z"}}"#
        );
        let attributes = self.folder.path().join("metadata").join(BUCKET).join("meta");
        fs::create_dir_all(&attributes)?;
        // Whole or not at all: the server reads it with each request.
        fs::write(attributes.join("new"), lock)?;
        Ok(fs::rename(attributes.join("new"), attributes.join("bucket-lock"))?)
    }

    /// The number of the server's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }
}

fn strings<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
