//! Libraries of functions: <https://redis.io/docs/latest/develop/programmability/functions-intro/>. Each is a text that begins with
//! a line `#!ENGINE name=NAME`.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use lockgate_plugin::host::Host;
use lockgate_plugin::{Entry, Error, Fingerprint, Result, printable};

use crate::client::Client;
use crate::error::protocol;
use crate::limits::{LIBRARIES_BYTES_MAX, LIBRARY_BYTES_MAX};
use crate::resp::Reply;

/// Folder of the libraries.
const FOLDER: &str = "libraries";

/// Code by name.
pub type Libraries = BTreeMap<String, Vec<u8>>;

/// Names the code of a snapshot.
///
/// # Errors
/// When it does not say its name.
pub fn named(codes: &[Vec<u8>]) -> Result<Libraries> {
    codes.iter().map(|code| Ok((name(code)?, code.clone()))).collect()
}

fn name(code: &[u8]) -> Result<String> {
    let line = code.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let name = line.split_whitespace().find_map(|word| word.strip_prefix("name="));
    let is_good = |name: &&str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    name.filter(is_good)
        .map(str::to_owned)
        .ok_or_else(|| protocol(format!("a library begins with {:?}", printable(line.as_bytes()))))
}

/// Asks the server.
///
/// # Errors
/// When it does not tell.
pub fn read<H: Host>(client: &mut Client<H::Stream>) -> Result<Libraries> {
    let libraries = client.call(&[b"FUNCTION", b"LIST", b"WITHCODE"])?.array()?;
    let codes = libraries.into_iter().map(|library| {
        let mut fields = library.array()?.into_iter();
        while let (Some(key), Some(value)) = (fields.next(), fields.next()) {
            if key == Reply::Bulk(b"library_code".to_vec()) {
                return value.bytes();
            }
        }
        Err(protocol("FUNCTION LIST gives no code"))
    });
    named(&codes.collect::<Result<Vec<_>>>()?)
}

/// Archives libraries.
///
/// # Errors
/// When the host cannot store them.
pub fn export<H: Host>(host: &H, libraries: &Libraries) -> Result<()> {
    for (name, code) in libraries {
        let mut output =
            host.create(&Entry::new(format!("{FOLDER}/{name}")).with_media_type("text/plain"))?;
        output.write_all(code)?;
        output.finish()?;
    }
    Ok(())
}

/// Reads archived libraries.
///
/// # Errors
/// When the archive is not as it should be.
pub fn archived<H: Host>(host: &H) -> Result<Libraries> {
    let (mut codes, mut bytes) = (Vec::new(), 0);
    for path in host.entries(FOLDER)? {
        let mut code = Vec::new();
        host.open(&path)?.take(LIBRARY_BYTES_MAX).read_to_end(&mut code)?;
        bytes += code.len();
        if bytes > LIBRARIES_BYTES_MAX {
            return Err(Error::corrupt("the archived libraries are too large"));
        }
        codes.push(code);
    }
    named(&codes)
}

/// Over all code.
#[must_use]
pub fn fingerprint(libraries: &Libraries) -> String {
    let mut fingerprint = Fingerprint::new();
    libraries.values().for_each(|code| fingerprint.add(code));
    fingerprint.finish()
}

/// Loads libraries.
///
/// # Errors
/// When the server refuses one.
pub fn import<H: Host>(
    client: &mut Client<H::Stream>,
    libraries: &Libraries,
    replace: bool,
) -> Result<()> {
    for (name, code) in libraries {
        let mut words: Vec<&[u8]> = vec![b"FUNCTION", b"LOAD"];
        if replace {
            words.push(b"REPLACE");
        }
        words.push(code);
        client.call(&words).map_err(|error| error.context(format!("library {name}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_says_its_name() {
        assert_eq!(name(b"#!lua name=my_lib1\nredis.x()").unwrap(), "my_lib1");
        assert_eq!(name(b"#!lua  name=a").unwrap(), "a");
        for code in
            [&b""[..], b"#!lua name=\n", b"#!lua\nname=a", b"#!lua name=../x", b"#!lua name=a/b"]
        {
            assert!(name(code).is_err(), "{code:?}");
        }
    }
}
