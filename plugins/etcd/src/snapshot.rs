//! The database's file, as `etcdctl snapshot save` writes it: what a lost cluster is rebuilt from by `etcdutl snapshot
//! restore`.
//!
//! The stream is a JSON object a line, each with a piece of the file; the last 32 bytes of all are the SHA-256 of what was
//! before them: <https://etcd.io/docs/v3.6/learning/api/>, `server/etcdserver/api/v3rpc/maintenance.go` of etcd's source.

use std::io::{BufRead, Write};

use lockgate_plugin::{Entry, Error as Told, Summary, archive, job};
use sha2::{Digest as _, Sha256};

use crate::client::Client;
use crate::error::{Error, ServerError};
use crate::json::Json;
use crate::limits::VALUE_BYTES_MAX;

/// The entry's name.
pub const ENTRY: &str = "snapshot.db";
const DIGEST_BYTES: usize = 32;

/// Streams the file into an entry.
///
/// # Errors
/// When the stream breaks off or does not verify.
pub fn export(client: &mut Client, part: &str) -> Result<Summary, Error> {
    let mut stream = Json::new(client.post("/v3/maintenance/snapshot", b"{}")?);
    let mut writer =
        archive::create(&Entry::new(ENTRY).with_media_type("application/octet-stream"))?;
    let mut check = Check::default();
    while !stream.is_over()? {
        let piece = piece(&mut stream)?;
        check.add(&piece);
        writer.write_all(&piece)?;
        job::progress(part, check.bytes, 0);
    }
    let digest = check.verify()?;
    writer.finish()?;
    Ok(Summary::of_items(1).with_attribute("sha256", digest))
}

/// The bytes of one line.
fn piece<R: BufRead>(stream: &mut Json<R>) -> Result<Vec<u8>, Error> {
    let mut line = stream.object()?;
    let mut piece = None;
    while let Some(name) = stream.member(&mut line)? {
        match name.as_str() {
            "result" => {
                let mut result = stream.object()?;
                let mut blob = Vec::new();
                while let Some(name) = stream.member(&mut result)? {
                    match name.as_str() {
                        "blob" => blob = stream.bytes(VALUE_BYTES_MAX)?,
                        _ => stream.skip()?,
                    }
                }
                piece = Some(blob);
            }
            "error" => {
                let mut error = stream.object()?;
                let mut told = ServerError::default();
                while let Some(name) = stream.member(&mut error)? {
                    match name.as_str() {
                        "message" => told.message = lockgate_plugin::printable(&stream.word()?),
                        "grpc_code" | "code" => told.code = stream.number()?,
                        _ => stream.skip()?,
                    }
                }
                return Err(told.into());
            }
            _ => stream.skip()?,
        }
    }
    piece.ok_or_else(|| Told::corrupt("a line of the snapshot has no bytes").into())
}

/// Computes the digest of all but the last bytes.
#[derive(Default)]
struct Check {
    digest: Sha256,
    /// The last bytes, which may be the digest.
    tail: Vec<u8>,
    bytes: u64,
}

impl Check {
    fn add(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.tail.extend_from_slice(piece);
        let before = self.tail.len().saturating_sub(DIGEST_BYTES);
        self.digest.update(self.tail.get(..before).unwrap_or_default());
        self.tail.drain(..before);
    }

    /// The file's own digest in hexadecimal digits.
    fn verify(self) -> Result<String, Error> {
        let computed = self.digest.finalize();
        if self.bytes <= DIGEST_BYTES as u64 || self.tail != computed[..] {
            let text = "the snapshot does not match the digest at its end: run the backup again, and check the member's disk";
            return Err(Told::corrupt(text).into());
        }
        Ok(self.tail.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Result<(), Error> {
        let mut stream = Json::new(text.as_bytes());
        let mut check = Check::default();
        while !stream.is_over()? {
            check.add(&piece(&mut stream)?);
        }
        check.verify().map(drop)
    }

    fn line(bytes: &[u8]) -> String {
        format!(
            "{{\"result\":{{\"remaining_bytes\":\"9\",\"blob\":\"{}\"}}}}\n",
            crate::json::base64(bytes)
        )
    }

    #[test]
    fn a_snapshot_is_verified_however_it_is_cut() {
        let data = vec![9; 1000];
        let file = [data.clone(), Sha256::digest(&data).to_vec()].concat();
        for length in [1, 7, 31, 32, 33, 1000, 2000] {
            let text: String = file.chunks(length).map(line).collect();
            whole(&text).unwrap();
        }
        assert!(whole(&line(&file[..999])).is_err());
        assert!(whole(&line(&Sha256::digest(b""))).is_err());
        assert!(whole("").is_err());
    }

    #[test]
    fn an_error_in_the_stream_is_the_servers() {
        let text =
            r#"{"error":{"grpc_code":2,"http_code":500,"message":"auth: user name is empty"}}"#;
        assert!(matches!(whole(text), Err(Error::Server(error)) if error.code == 2));
        assert!(whole("{}").is_err());
        assert!(whole(r#"{"result":{"blob":"AA"#).is_err());
    }
}
