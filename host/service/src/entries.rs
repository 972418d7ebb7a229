//! What is in a backup, one folder at a time.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lockgate_api::{BackupId, Entries, Entry};
use lockgate_repository::Node;
use lockgate_types::{EntryPath, Kind};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Asked, Named, limit};
use crate::problem::{Answer, Trouble};
use crate::service::Service;

/// Which entries are asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Folder {
    /// Path of the folder, as other answers give it; the top otherwise.
    #[serde(default)]
    path: String,
    /// Only names behind this one: `next` of the answer before.
    #[serde(default)]
    after: String,
    /// At most so many; 100 otherwise.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// The entries of one folder of a backup.
#[utoipa::path(get, path = "/api/v1/backups/{id}/entries", tag = "backups", params(("id" = BackupId, Path), Folder),
    responses(
        (status = 200, description = "The entries.", body = Entries),
        (status = 409, description = "The backup is not complete.", body = lockgate_api::Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn list(
    State(service): State<Service>,
    Named(id): Named<BackupId>,
    Asked(folder): Asked<Folder>,
) -> Answer<Json<Entries>> {
    let limit = usize::try_from(limit(folder.limit)?).unwrap_or(usize::MAX);
    let path = parse(&folder.path)?;
    let open = service.shelf().open(service.jobs(), &id).await?;
    let nodes = open.reader.folder(&open.tree, &path).await?;
    let nodes = nodes.ok_or_else(|| {
        Trouble::not_found(format!("backup {id} has no folder {}", escape(path.as_bytes())))
    })?;
    let after = unescape(&folder.after);
    let mut behind = nodes.iter().filter(|node| after.is_empty() || node.name > after).peekable();
    let mut entries = Vec::new();
    while entries.len() < limit
        && let Some(node) = behind.next()
    {
        entries.push(entry(&path, node)?);
    }
    let next = behind.peek().and_then(|_| entries.last()).map(|entry| entry.name.clone());
    Ok(Json(Entries { entries, next }))
}

fn entry(folder: &EntryPath, node: &Node) -> Result<Entry, Trouble> {
    let path = EntryPath::new(node.name.clone()).and_then(|name| folder.join(&name));
    let path = path.map_err(|error| {
        Trouble::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the backup is damaged: {error}"))
    })?;
    let metadata = node.to_entry(path.clone()).metadata;
    Ok(Entry {
        name: escape(&node.name),
        path: escape(path.as_bytes()),
        kind: metadata.as_ref().map_or(Kind::Regular, |metadata| metadata.kind),
        bytes: node.size,
        modified: i32::try_from(node.mtime.timestamp.nanoseconds).ok().and_then(|nanoseconds| {
            jiff::Timestamp::new(node.mtime.timestamp.seconds, nanoseconds).ok()
        }),
        mode: metadata.as_ref().map_or(0o600, |metadata| metadata.mode),
    })
}

/// A path as it was asked for.
pub(crate) fn parse(text: &str) -> Result<EntryPath, Trouble> {
    EntryPath::new(unescape(text.trim_matches('/')))
        .map_err(|error| Trouble::new(StatusCode::BAD_REQUEST, error.to_string()))
}

/// Bytes of a name as text that leads back to them: what is no UTF-8, and `%` before what could be taken for that, as `%XX`.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace('%', "%25"));
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("%{byte:02X}")));
    }
    text
}

/// The other way round. A `%` before anything else stands for itself.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, more)) = rest.split_first() {
        let digits = more.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.filter(|digits| digits.bytes().all(|it| it.is_ascii_hexdigit()));
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = more.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_bytes_come_back() {
        for (bytes, text) in [
            (&b"plain/name"[..], "plain/name"),
            ("späte Züge".as_bytes(), "späte Züge"),
            (b"latin\xe9", "latin%E9"),
            (b"100%", "100%25"),
            (b"%41", "%2541"),
            (b"\xff%\xfe", "%FF%25%FE"),
        ] {
            assert_eq!(escape(bytes), text);
            assert_eq!(unescape(text), bytes);
        }
        assert_eq!(unescape("100% sure %"), b"100% sure %");
        assert!(parse("a/../b").is_err() && parse("%00").is_err());
        assert_eq!(parse("/a/b/").unwrap().as_bytes(), b"a/b");
    }
}
