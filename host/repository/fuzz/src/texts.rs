//! Rules for texts: names, paths, locations and settings that come from plugins, repositories and operators.

use lockgate_repository::{Compression, Pattern, PruneLimit, ReadData, parse_moment};
use lockgate_storage::{Storage, StorageOptions, StorageUrl};
use lockgate_types::{Digest, EntryPath, Name, into_shown, is_unfit};

/// A location comes back from its text, names nothing above its folder, and never shows a secret when it is refused.
pub fn url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.parse::<StorageUrl>() {
        Ok(url) => {
            let printed = url.to_string();
            assert_eq!(printed.parse::<StorageUrl>().as_ref().ok(), Some(&url), "{text:?}");
            assert!(!printed.contains(char::is_control), "{text:?}");
            if let Some(folder) = url.folder() {
                assert!(folder.is_absolute(), "{text:?}");
                let mut components = folder.components();
                let leaves = components.any(|it| it == std::path::Component::ParentDir);
                assert!(!leaves, "{text:?}");
            } else {
                assert!(!printed.contains('@'), "{text:?}");
            }
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{text:?}"),
    }
}

/// Settings, a name and a value on each line, are refused or make a storage; a value is never shown.
pub fn options(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let secret = "hunter2hunter2";
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    // A certificate would be read from a file of this machine.
    let pairs = pairs.filter(|(name, _)| *name != "ca-certificate");
    let options = pairs.collect::<StorageOptions>().with("secret-access-key", secret);
    let url = "memory:".parse().expect("this is a location");
    assert!(!format!("{options:?}").contains(secret));
    if let Err(error) = Storage::open(&url, &options) {
        assert!(!format!("{error} {error:?}").contains(secret));
    }
}

/// A path stays inside, and is the sum of its parts.
pub fn path(bytes: &[u8]) {
    let Ok(path) = EntryPath::new(bytes) else { return };
    assert!(bytes.len() <= EntryPath::LENGTH_MAX);
    assert!(!path.components().any(|it| it.is_empty() || it == b"." || it == b".."));
    assert!(!path.to_string().contains(is_unfit), "{path}");
    let Some(parent) = path.parent() else { return };
    assert!(path.is_root() || parent < path);
    let rest = path.strip_prefix(&parent).expect("it begins with its parent");
    assert_eq!(parent.join(&rest).as_ref(), Ok(&path));
    assert_eq!(rest.as_bytes(), path.name().unwrap_or_default());
}

/// Two paths are ordered by their components.
pub fn order(bytes: &[u8]) {
    let middle = bytes.len() / 2;
    let (Ok(one), Ok(two)) = (EntryPath::new(&bytes[..middle]), EntryPath::new(&bytes[middle..]))
    else {
        return;
    };
    let parts = |path: &EntryPath| path.components().map(<[u8]>::to_vec).collect::<Vec<_>>();
    assert_eq!(one.cmp(&two), parts(&one).cmp(&parts(&two)));
    assert_eq!(one.cmp(&two), two.cmp(&one).reverse());
}

/// Digests and names come back from their texts; what is shown is one line.
pub fn names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text.to_ascii_lowercase());
    }
    if let Ok(name) = text.parse::<Name>() {
        assert_eq!(name.as_str(), text);
        assert!(EntryPath::try_from(text).is_ok(), "{text:?} is a name and no component");
    }
    let line = into_shown(text.to_owned(), 100);
    assert!(!line.contains(is_unfit) && line.len() < 200, "{line:?}");
}

/// What an operator writes on a command line is refused or taken.
pub fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = parse_moment(text);
    let _ = text.parse::<ReadData>();
    let _ = text.parse::<Compression>();
    let _ = Pattern::new(text, false);
    if let Ok(limit) = text.parse::<PruneLimit>() {
        assert_eq!(limit.to_string().parse::<PruneLimit>().ok(), Some(limit), "{text:?}");
    }
}
