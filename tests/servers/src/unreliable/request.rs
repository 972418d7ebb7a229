use std::io::BufRead;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Stores an object.
    Put,
    /// Reads a whole object.
    Get,
    /// Reads a part of an object.
    GetRange,
    /// Asks for the size of an object.
    Head,
    /// Names objects.
    List,
    /// Deletes an object.
    Delete,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Put, Self::Get, Self::GetRange, Self::Head, Self::List, Self::Delete];
}

/// One request of HTTP/1.1.
pub(super) struct Request {
    pub(super) call: Call,
    /// Without the bucket.
    pub(super) key: String,
    /// Of a listing.
    pub(super) prefix: String,
    /// Only objects after this name, of a listing.
    pub(super) after: String,
    /// The most names of a listing.
    pub(super) most: usize,
    /// First byte and last byte, which is included.
    pub(super) range: Option<(usize, usize)>,
    /// Whether the object must not be there yet.
    pub(super) is_new: bool,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// The next one; none at the end of the connection, or when it makes no sense.
    pub(super) fn read(reader: &mut impl BufRead) -> Option<Self> {
        let first = line(reader)?;
        let mut words = first.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let (mut length, mut range, mut is_new) = (0, None, false);
        loop {
            let header = line(reader)?;
            if header.is_empty() {
                break;
            }
            let (name, value) = header.split_once(':')?;
            match (name.to_ascii_lowercase().as_str(), value.trim()) {
                ("content-length", value) => length = value.parse().ok()?,
                ("range", value) => range = parse_range(value),
                ("if-none-match", "*") => is_new = true,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let key =
            path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key).to_owned();
        let of_query = |name: &str| {
            let found = query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|(known, _)| *known == name);
            decode(found.map_or("", |(_, value)| value))
        };
        let call = match method {
            "PUT" => Call::Put,
            "HEAD" => Call::Head,
            "DELETE" => Call::Delete,
            "GET" if query.contains("list-type=2") => Call::List,
            "GET" if range.is_some() => Call::GetRange,
            "GET" => Call::Get,
            _ => return None,
        };
        let after = [of_query("continuation-token"), of_query("start-after")].concat();
        let most = of_query("max-keys").parse().unwrap_or(1000);
        Some(Self {
            call,
            key: decode(&key),
            prefix: of_query("prefix"),
            after,
            most,
            range,
            is_new,
            body,
        })
    }
}

/// Without its end.
fn line(reader: &mut impl BufRead) -> Option<String> {
    let mut text = String::new();
    reader.read_line(&mut text).ok().filter(|length| *length > 0)?;
    Some(text.trim_end().to_owned())
}

/// `bytes=FIRST-LAST`; the last one may be missing.
fn parse_range(text: &str) -> Option<(usize, usize)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, if last.is_empty() { usize::MAX } else { last.parse().ok()? }))
}

/// Percent-encoding, of ASCII only.
fn decode(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.extend(code.map(char::from));
        decoded.push_str(part.get(2..).unwrap_or_default());
    }
    decoded
}
