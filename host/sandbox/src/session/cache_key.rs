//! The key that tells the host's own compiled code from anybody else's. Code is machine code: whoever can put it into the cache
//! runs it in the worker of another plugin. The key never leaves the host; workers get neither it nor the folder.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};

use ring::hmac::{Context, HMAC_SHA256, Key, Tag};
use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::{AtFlags, Mode, OFlags, linkat, openat, unlinkat};
use rustix::io::Errno;
use rustix::process::geteuid;
use zeroize::Zeroizing;

/// Name of the key's file in the cache.
const FILE: &str = "key";
/// As long as the hash: RFC 2104, section 3.
const KEY_BYTES: usize = 32;
/// How much is read at once.
const READ_BYTES: usize = 256 << 10;
/// What is authenticated begins with this, so that a tag means nothing elsewhere.
const PURPOSE: &[u8] = b"lockgate compiled code 1\n";

/// The key of one cache.
pub struct CacheKey(Key);

impl CacheKey {
    /// The key in `folder`; made when there is none, and made anew when the one that is there could be known to others.
    pub fn open(folder: &OwnedFd) -> io::Result<Self> {
        if let Some(key) = read(folder)? {
            return Ok(key);
        }
        make(folder)?;
        read(folder)?.ok_or_else(|| io::Error::other("the key of the code cache is not usable"))
    }

    /// HMAC-SHA256 of the file's content under its name.
    pub fn tag(&self, name: &str, file: &File) -> io::Result<Tag> {
        let mut context = Context::with_key(&self.0);
        context.update(PURPOSE);
        context.update(name.as_bytes());
        context.update(b"\n");
        let mut buffer = vec![0; READ_BYTES];
        let mut offset = 0;
        loop {
            match file.read_at(&mut buffer, offset)? {
                0 => return Ok(context.sign()),
                length => {
                    context.update(buffer.get(..length).unwrap_or_default());
                    offset += length as u64;
                }
            }
        }
    }

    /// Whether `claimed` is the tag of the file.
    pub fn fits(&self, name: &str, file: &File, claimed: &[u8]) -> io::Result<bool> {
        let tag = self.tag(name, file)?;
        // Two tags under the same key are compared by their own tags, which takes equally long wherever they differ.
        let again = ring::hmac::sign(&self.0, claimed);
        Ok(ring::hmac::verify(&self.0, tag.as_ref(), again.as_ref()).is_ok())
    }
}

/// None when there is no key, or none that only this user can know.
fn read(folder: &OwnedFd) -> io::Result<Option<CacheKey>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = match openat(folder, FILE, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Ok(distrust("is a symbolic link")),
        Err(errno) => return Err(errno.into()),
    };
    let status = file.metadata()?;
    if !status.is_file() || status.uid() != geteuid().as_raw() {
        return Ok(distrust("is not a file of this user"));
    }
    if status.mode() & 0o077 != 0 {
        return Ok(distrust("could be read by others"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_BYTES + 1));
    Read::by_ref(&mut file).take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() != KEY_BYTES {
        return Ok(distrust("has the wrong length"));
    }
    Ok(Some(CacheKey(Key::new(HMAC_SHA256, &bytes))))
}

fn distrust(why: &str) -> Option<CacheKey> {
    tracing::warn!("the key of the code cache {why}; it is made anew, and so is all compiled code");
    None
}

/// Puts a new key in place. Of two processes that do so at once one is first, and both use its key.
fn make(folder: &OwnedFd) -> io::Result<()> {
    let usable = read(folder).ok().flatten().is_some();
    if !usable {
        let _ = unlinkat(folder, FILE, AtFlags::empty());
    }
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    SystemRandom::new()
        .fill(&mut bytes[..])
        .map_err(|_| io::Error::other("the system gives no random bytes"))?;
    let temporary = format!(".new-key-{}", std::process::id());
    let _ = unlinkat(folder, &temporary, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(folder, &temporary, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(&bytes[..])?;
    file.sync_all()?;
    let linked = linkat(folder, &temporary, folder, FILE, AtFlags::empty());
    let _ = unlinkat(folder, &temporary, AtFlags::empty());
    match linked {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
