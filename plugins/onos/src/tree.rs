//! Files of a node beside its partitions: configuration, applications, accounts, and what the node keeps for itself alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

use lockgate_atomix_storage::files::{
    archived, finish, is_there, list, make_folders, parent, read, write,
};
use lockgate_plugin::files::{self as host, Folder};
use lockgate_plugin::path::{is_inside, join, shown};
use lockgate_plugin::{
    Context, Entry, Error, Extraction, Failure, Fingerprint, Kind, Metadata, Result, Summary,
    archive,
};
use serde_json::Value;

use crate::limits::{ANSWER_BYTES_MAX, DEPTH_MAX, FILES_MAX};
use crate::rename::{Names, readdressed, without_addresses};

/// Kind of the part.
pub const FILES: &str = "files";
/// Attribute: the version of ONOS that the node's `VERSION` file names.
pub const VERSION: &str = "version";
/// Folders of a node's home that are saved whole.
const WHOLE: [&[u8]; 2] = [b"apps", b"config"];
/// Beginning of Karaf's folder, which has its version in its name.
const KARAF: &[u8] = b"apache-karaf-";
/// Of Karaf's folder: what a node keeps for itself, and the accounts.
const LOCAL: &[u8] = b"data/db/local";
const ACCOUNTS: [&[u8]; 2] = [b"etc/users.properties", b"etc/keys.properties"];
/// JSON in which nodes and addresses are named.
const NAMING: [&[u8]; 2] = [b"config/cluster.json", b"config/network-cfg.json"];
/// The mark of an active application.
const ACTIVE: &[u8] = b"active";

type Found = BTreeMap<Vec<u8>, Metadata>;

/// The folders that are granted, if any.
///
/// # Errors
/// When the host does not tell.
pub fn granted() -> Result<Vec<Folder>> {
    match host::folders() {
        Err(Failure::Denied(_)) => Ok(Vec::new()),
        answer => Ok(answer?),
    }
}

/// Id of the part of a folder.
#[must_use]
pub fn id(folder: &str) -> String {
    format!("files/{folder}")
}

/// The version of the ONOS that is installed in a folder; empty when it does not say.
///
/// # Errors
/// When it cannot be read.
pub fn version(folder: &str) -> Result<String> {
    let text = read(folder, b"VERSION")?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).trim().to_owned())
}

/// The node's name in its `cluster.json`; none when it has none.
///
/// # Errors
/// When that is no JSON.
pub fn node(folder: &str) -> Result<Option<String>> {
    let Some(text) = read(folder, NAMING[0])? else { return Ok(None) };
    let value: Value =
        serde_json::from_slice(&text).with_context(|| format!("{folder}/config/cluster.json"))?;
    Ok(value.pointer("/node/id").and_then(Value::as_str).map(str::to_owned))
}

/// All files that are saved.
///
/// # Errors
/// When a folder cannot be listed.
pub fn find(folder: &str) -> Result<Found> {
    let mut found = Found::new();
    for top in WHOLE {
        walk(folder, top, &mut found)?;
    }
    for karaf in karafs(folder)? {
        walk(folder, &join(&karaf, LOCAL), &mut found)?;
        for account in ACCOUNTS {
            let path = join(&karaf, account);
            let names = list(folder, parent(&path), FILES_MAX)?;
            let is_it = |(name, _): &(Vec<u8>, Metadata)| {
                path.ends_with(name) && join(parent(&path), name) == path
            };
            found.extend(
                names.into_iter().find(is_it).map(|(_, metadata)| (path.clone(), metadata)),
            );
        }
    }
    found.retain(|_, metadata| metadata.kind == Kind::Regular);
    Ok(found)
}

fn karafs(folder: &str) -> Result<Vec<Vec<u8>>> {
    let names = list(folder, b"", FILES_MAX)?.into_iter();
    let is_karaf = |(name, metadata): &(Vec<u8>, Metadata)| {
        name.starts_with(KARAF) && metadata.kind == Kind::Directory
    };
    Ok(names.filter(is_karaf).map(|(name, _)| name).collect())
}

fn walk(folder: &str, top: &[u8], found: &mut Found) -> Result<()> {
    let mut pending = vec![(top.to_vec(), 0)];
    while let Some((directory, depth)) = pending.pop() {
        for (name, metadata) in list(folder, &directory, FILES_MAX)? {
            let path = join(&directory, &name);
            if metadata.kind == Kind::Directory && depth < DEPTH_MAX {
                pending.push((path, depth + 1));
            } else {
                found.insert(path, metadata);
            }
        }
        if found.len() > FILES_MAX {
            return Err(Error::unsupported(format!(
                "folder {folder} has more than {FILES_MAX} files"
            )));
        }
    }
    Ok(())
}

/// Archives the files of a folder.
///
/// # Errors
/// When one cannot be read.
pub fn export(folder: &str) -> Result<Summary> {
    let found = find(folder)?;
    for (path, metadata) in &found {
        let metadata = Metadata { links: 1, ..metadata.clone() };
        let entry = Entry::new(path.clone()).with_metadata(metadata);
        if archive::reuse(std::slice::from_ref(&entry))?.first() == Some(&true) {
            continue;
        }
        let place = || format!("{folder}/{}", shown(path));
        let file = host::open(folder, path).with_context(place)?;
        let mut writer = archive::create(&entry)?;
        writer.write_file(&file, 0, None).with_context(place)?;
        writer.finish()?;
    }
    let summary = Summary::of_items(found.len() as u64);
    Ok(summary.with_fingerprint(fingerprint(folder, &Names::default())?))
}

/// The fingerprint of a folder's files: which applications are active, and all files that belong to no application. Addresses of
/// nodes do not count, names as they were in the backup do.
///
/// # Errors
/// When one cannot be read.
pub fn fingerprint(folder: &str, names: &Names) -> Result<String> {
    let mut print = Fingerprint::new();
    for path in find(folder)?.keys() {
        if is_inside(path, b"apps") {
            if path.ends_with(b"/active") {
                print.add(path);
            }
            continue;
        }
        print.add(path);
        let place = || format!("{folder}/{}", shown(path));
        if NAMING.contains(&path.as_slice()) {
            let text = read(folder, path)?.unwrap_or_default();
            let value = serde_json::from_slice(&text).with_context(place)?;
            let value = without_addresses(names.inverted().apply(value));
            print.add(serde_json::to_vec(&value)?);
        } else {
            print.add(host::open(folder, path).and_then(|file| file.digest()).with_context(place)?);
        }
    }
    Ok(print.finish())
}

/// The first file that is there and would be replaced: the node's configuration, or what it keeps for itself.
///
/// # Errors
/// When a folder cannot be listed.
pub fn in_the_way(folder: &str) -> Result<Option<Vec<u8>>> {
    let is_own = |path: &&Vec<u8>| {
        NAMING.contains(&path.as_slice()) || path.windows(LOCAL.len()).any(|it| it == LOCAL)
    };
    Ok(find(folder)?.keys().find(is_own).cloned())
}

/// Writes the files of the part that is imported into a folder. Applications that came with the installation stay as they are, so that
/// a newer version keeps its own; they become active or not as they were.
///
/// # Errors
/// When one cannot be written.
pub fn import<'a>(
    folder: &str,
    names: &Names,
    address: &impl Fn(&str) -> Option<&'a str>,
) -> Result<()> {
    let before = find(folder)?;
    let karaf = karafs(folder)?.pop();
    let entries: Vec<Entry> = archived()?;
    let mut wanted = BTreeSet::new();
    for entry in &entries {
        let path = placed(&entry.path, karaf.as_deref());
        let place = format!("{folder}/{}", shown(&path));
        wanted.insert(path.clone());
        if is_of_installed_application(&path, &before) {
            continue;
        }
        make_folders(folder, parent(&path), entry.metadata.as_ref())?;
        if NAMING.contains(&path.as_slice()) {
            import_naming(folder, &path, entry, names, address)
        } else {
            import_file(folder, &path, entry, &place)
        }
        .with_context(|| place.clone())?;
    }
    // What the backup does not have would be read as well.
    for path in before.keys().filter(|path| !wanted.contains(*path)) {
        let is_application = is_inside(path, b"apps") && !path.ends_with(b"/active");
        if !is_application {
            host::remove(folder, path)?;
        }
    }
    Ok(())
}

/// The folder of Karaf has its version in its name: what was in one goes into the one that is there.
fn placed(path: &[u8], karaf: Option<&[u8]>) -> Vec<u8> {
    let end = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
    match (path.strip_prefix(KARAF), karaf) {
        (Some(_), Some(karaf)) => [karaf, path.get(end..).unwrap_or_default()].concat(),
        _ => path.to_vec(),
    }
}

fn is_of_installed_application(path: &[u8], before: &Found) -> bool {
    if !is_inside(path, b"apps") || path.ends_with(b"/active") {
        return false;
    }
    let mut names = path.split(|byte| *byte == b'/');
    let application: Vec<u8> = match (names.next(), names.next()) {
        (Some(top), Some(name)) => join(top, name),
        _ => return false,
    };
    before
        .keys()
        .any(|it| is_inside(it, &application) && lockgate_atomix_storage::files::name(it) != ACTIVE)
}

fn import_naming<'a>(
    folder: &str,
    path: &[u8],
    entry: &Entry,
    names: &Names,
    address: &impl Fn(&str) -> Option<&'a str>,
) -> Result<()> {
    let mut text = Vec::new();
    archive::open(&entry.path)?.take(ANSWER_BYTES_MAX).read_to_end(&mut text)?;
    let archived: Value = serde_json::from_slice(&text)?;
    let value = readdressed(names.apply(archived.clone()), address);
    if value != archived {
        text = serde_json::to_vec_pretty(&value)?;
        text.write_all(b"\n")?;
    }
    let metadata =
        entry.metadata.clone().map(|metadata| Metadata { size: text.len() as u64, ..metadata });
    write(folder, path, &text, metadata.as_ref())
}

fn import_file(folder: &str, path: &[u8], entry: &Entry, place: &str) -> Result<()> {
    let file = host::create(folder, path, is_there(folder, path)?)?;
    archive::extract(&[Extraction { path: entry.path.clone(), target: &file, offset: 0 }])?;
    finish(&file, place, entry.metadata.as_ref())
}
