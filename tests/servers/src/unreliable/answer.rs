use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::Trouble;
use super::request::{Call, Request};

/// A silent server closes the connection after this, so that no test waits for ever.
const SILENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<String>,
    pub(super) body: Vec<u8>,
}

/// An error as S3 tells it; without a code it has no body.
pub(super) fn error(status: u16, code: &str) -> Answer {
    let body = if code.is_empty() {
        Vec::new()
    } else {
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>as planned</Message><RequestId>1</RequestId></Error>")
            .into_bytes()
    };
    Answer { status, headers: vec!["Content-Type: application/xml".to_owned()], body }
}

/// An object, or a part of it.
pub(super) fn part(bytes: &[u8], range: Option<(usize, usize)>) -> Answer {
    let Some((first, last)) = range else {
        return Answer { status: 200, headers: Vec::new(), body: bytes.to_vec() };
    };
    if first >= bytes.len() {
        return error(416, "InvalidRange");
    }
    let last = last.min(bytes.len() - 1);
    let headers = vec![format!("Content-Range: bytes {first}-{last}/{}", bytes.len())];
    Answer { status: 206, headers, body: bytes[first..=last].to_vec() }
}

/// ListObjectsV2 without a delimiter.
pub(super) fn list(
    objects: &BTreeMap<String, Vec<u8>>,
    request: &Request,
    hidden: &str,
    is_cut: bool,
) -> Answer {
    let matching = objects.iter().filter(|(key, _)| {
        key.starts_with(&request.prefix) && **key > request.after && *key != hidden
    });
    let all: Vec<_> = matching.collect();
    let shown = if is_cut { all.len() / 2 } else { all.len().min(request.most) };
    let contents: String = all[..shown]
        .iter()
        .map(|(key, bytes)| {
            format!(
                "<Contents><Key>{key}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>\"0\"</ETag><Size>{}</Size></Contents>",
                bytes.len()
            )
        })
        .collect();
    let is_truncated = is_cut || shown < all.len();
    let token = all[..shown].last().filter(|_| is_truncated && !is_cut);
    let token = token.map_or(String::new(), |(key, _)| {
        format!("<NextContinuationToken>{key}</NextContinuationToken>")
    });
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult><Name>bucket</Name><KeyCount>{shown}</KeyCount><IsTruncated>{is_truncated}</IsTruncated>{token}{contents}</ListBucketResult>"
    );
    Answer {
        status: 200,
        headers: vec!["Content-Type: application/xml".to_owned()],
        body: body.into_bytes(),
    }
}

/// Whether the connection goes on.
pub(super) fn send(
    mut connection: &TcpStream,
    request: &Request,
    mut answer: Answer,
    trouble: Option<Trouble>,
) -> bool {
    match trouble {
        Some(Trouble::CloseBefore | Trouble::CloseAfter) => return false,
        Some(Trouble::Silence | Trouble::SilenceAfter) => {
            std::thread::sleep(SILENCE);
            return false;
        }
        Some(Trouble::Noise) => {
            connection.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n").ok();
            return false;
        }
        Some(Trouble::ShortAnswer) => {
            answer.body.pop();
        }
        Some(Trouble::FlippedAnswer) => {
            if let Some(byte) = answer.body.last_mut() {
                *byte ^= 1;
            }
        }
        _ => {}
    }
    // A connection that is cut in an answer without a body is cut in its head.
    let is_cut = trouble == Some(Trouble::CutAnswer);
    let mut head =
        format!("HTTP/1.1 {} Planned\r\nContent-Length: {}\r\n", answer.status, answer.body.len());
    for header in &answer.headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    let has_body = request.call != Call::Head && !answer.body.is_empty();
    if is_cut && !has_body {
        connection.write_all(head.as_bytes()).ok();
        return false;
    }
    head.push_str("\r\n");
    let body = if !has_body {
        &[][..]
    } else if is_cut {
        &answer.body[..answer.body.len() / 2]
    } else {
        &answer.body
    };
    connection.write_all(&[head.as_bytes(), body].concat()).is_ok() && !is_cut
}
