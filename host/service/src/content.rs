//! One entry of a backup as a download.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures::Stream;
use lockgate_api::BackupId;
use lockgate_repository::{ContentReader, NodeKind};
use lockgate_types::EntryPath;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;

use crate::entries::{escape, parse};
use crate::extract::{Asked, Named};
use crate::limits::PIECE_BYTES;
use crate::problem::{Answer, Trouble};
use crate::service::Service;

/// Which entry is asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Path of the entry, as other answers give it.
    path: String,
}

/// The bytes of one entry of a backup.
#[utoipa::path(get, path = "/api/v1/backups/{id}/content", tag = "backups", params(("id" = BackupId, Path), Which),
    responses(
        (status = 200, description = "The bytes.", content_type = "application/octet-stream",
            headers(("Content-Disposition" = String, description = "Its name."))),
        (status = 409, description = "The backup is not complete.", body = lockgate_api::Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn download(
    State(service): State<Service>,
    Named(id): Named<BackupId>,
    Asked(which): Asked<Which>,
) -> Answer<Response> {
    let path = parse(&which.path)?;
    let permit = service.downloads().try_acquire_owned();
    let permit = permit.map_err(|_| Trouble::busy("too many downloads at once"))?;
    let open = service.shelf().open(service.jobs(), &id).await?;
    let node = open.reader.node(&open.tree, &path).await?;
    let shown = escape(path.as_bytes());
    let node = node.ok_or_else(|| Trouble::not_found(format!("backup {id} has no {shown}")))?;
    if node.kind != NodeKind::File {
        return Err(Trouble::not_found(format!("{shown} is no file")));
    }
    let content = open.reader.content(&node);
    let length = content.size();
    let mut response = Response::new(Body::from_stream(pieces(content, permit)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CONTENT_DISPOSITION, disposition(&path));
    Ok(response)
}

/// Read when the client has taken what was read before. An error ends the connection, so that nobody takes a part for the whole.
fn pieces(
    content: ContentReader,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Bytes, lockgate_repository::Error>> {
    futures::stream::unfold(Some((content, permit)), |state| async {
        let (mut content, permit) = state?;
        match content.read(PIECE_BYTES).await {
            Ok(piece) if piece.is_empty() => None,
            Ok(piece) => Some((Ok(piece), Some((content, permit)))),
            Err(error) => {
                tracing::error!("download: {error}");
                Some((Err(error), None))
            }
        }
    })
}

/// The name for the client's disk (RFC 6266, RFC 8187): nothing but letters, digits and a few marks reaches the header bare.
fn disposition(path: &EntryPath) -> HeaderValue {
    let name = path.name().unwrap_or(b"content");
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let plain: String =
        name.iter().map(|byte| if is_plain(byte) { char::from(*byte) } else { '_' }).collect();
    let encoded: String = String::from_utf8_lossy(name)
        .bytes()
        .map(|byte| match is_plain(&byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect();
    let text = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}");
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_header_are_harmless() {
        let shown = |path: &[u8]| {
            let path = EntryPath::new(path).expect("a path");
            disposition(&path).to_str().expect("text").to_owned()
        };
        let plain = "attachment; filename=\"a-1.txt\"; filename*=UTF-8''a-1.txt";
        assert_eq!(shown(b"folder/a-1.txt"), plain);
        let odd = shown(b"x\"\r\nSet-Cookie: a\xff");
        assert!(odd.starts_with("attachment; filename=\"x___Set-Cookie__a_\""), "{odd}");
        assert!(odd.ends_with("filename*=UTF-8''x%22%0D%0ASet-Cookie%3A%20a%EF%BF%BD"), "{odd}");
    }
}
