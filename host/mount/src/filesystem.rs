//! Requests of the kernel, each answered on the thread of fuser's that brought it. What would change something is not
//! answered here: the mount is read-only, and the kernel refuses it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fuser::{
    AccessFlags, Errno, FileHandle, FopenFlags, Generation, INodeNo, InitFlags, KernelConfig,
    LockOwner, OpenAccMode, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyXattr, Request,
};
use tokio::runtime::Handle;

use crate::attributes;
use crate::limits;
use crate::served::Served;

/// Numbers are never given to something else while the kernel knows them.
const GENERATION: Generation = Generation(0);
/// What the kernel would otherwise do each by each, or one after the other.
const WISHES: [InitFlags; 3] = [
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_READDIRPLUS_AUTO,
    InitFlags::FUSE_PARALLEL_DIROPS,
];
/// Bytes of a block, for programs that ask how large the file system is.
const BLOCK_BYTES: u32 = 4096;

/// Takes requests from fuser to the runtime.
pub(crate) struct Filesystem {
    pub(crate) served: Arc<Served>,
    pub(crate) runtime: Handle,
    /// Set when the runtime must not be asked any more.
    pub(crate) is_over: Arc<AtomicBool>,
}

impl Filesystem {
    /// Waits for an answer, on a thread that the runtime does not know.
    fn wait<T>(&self, answer: impl Future<Output = Result<T, Errno>>) -> Result<T, Errno> {
        if self.is_over.load(Ordering::SeqCst) {
            return Err(Errno::EIO);
        }
        self.runtime.block_on(answer)
    }
}

impl fuser::Filesystem for Filesystem {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        for wish in WISHES {
            // An older kernel has not all of them.
            config.add_capabilities(wish).ok();
        }
        config.set_max_background(limits::BACKGROUND_MAX).ok();
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.wait(self.served.lookup(parent.0, name.as_bytes())) {
            Ok((valid, attributes)) => reply.entry(&valid, &attributes, GENERATION),
            Err(errno) => reply.error(errno),
        }
    }

    fn forget(&self, _request: &Request, inode: INodeNo, count: u64) {
        self.served.inodes.forget(inode.0, count);
    }

    fn getattr(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: Option<FileHandle>,
        reply: ReplyAttr,
    ) {
        match self.wait(self.served.attributes(inode.0)) {
            Ok((valid, attributes)) => reply.attr(&valid, &attributes),
            Err(errno) => reply.error(errno),
        }
    }

    fn readlink(&self, _request: &Request, inode: INodeNo, reply: ReplyData) {
        match self.wait(self.served.target(inode.0)) {
            Ok(target) => reply.data(&target),
            Err(errno) => reply.error(errno),
        }
    }

    fn open(&self, _request: &Request, inode: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        if flags.acc_mode() != OpenAccMode::O_RDONLY {
            return reply.error(Errno::EROFS);
        }
        match self.wait(self.served.open(inode.0)) {
            // What is in a snapshot never changes: what the kernel kept of it is still right.
            Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::FOPEN_KEEP_CACHE),
            Err(errno) => reply.error(errno),
        }
    }

    fn read(
        &self,
        _request: &Request,
        inode: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.wait(self.served.read(inode.0, handle.0, offset, size)) {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(errno),
        }
    }

    fn release(
        &self,
        _request: &Request,
        _inode: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.served.close(handle.0);
        reply.ok();
    }

    fn opendir(&self, _request: &Request, inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.wait(self.served.open_folder(inode.0)) {
            Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::empty()),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdir(
        &self,
        _request: &Request,
        inode: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let open = match self.served.open_listing(handle.0) {
            Ok(open) => open,
            Err(errno) => return reply.error(errno),
        };
        for place in offset.. {
            let Some(entry) = Place::of(place) else { break };
            let is_full = match entry {
                Place::Dots(name) => reply.add(inode, place + 1, fuser::FileType::Directory, name),
                Place::Child(number) => {
                    let Some((_, child)) = self.served.child(&open, number) else { break };
                    let name = OsStr::from_bytes(&child.name);
                    reply.add(child.attributes.ino, place + 1, child.attributes.kind, name)
                }
            };
            if is_full {
                break;
            }
        }
        reply.ok();
    }

    fn readdirplus(
        &self,
        _request: &Request,
        inode: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let served = &self.served;
        let (open, own) = match (served.open_listing(handle.0), served.inodes.get(inode.0)) {
            (Ok(open), Some(own)) => (open, own),
            (Err(errno), _) => return reply.error(errno),
            (_, None) => return reply.error(Errno::ESTALE),
        };
        for place in offset.. {
            let Some(entry) = Place::of(place) else { break };
            let is_full = match entry {
                // The kernel counts these two as no lookup.
                Place::Dots(name) => {
                    let attributes = &own.attributes;
                    reply.add(inode, place + 1, name, &limits::VIEW_VALID, attributes, GENERATION)
                }
                Place::Child(number) => {
                    let Some((valid, child)) = served.child(&open, number) else { break };
                    let name = Arc::clone(&child.name);
                    let name = OsStr::from_bytes(&name);
                    let told = served.inodes.take(child);
                    let is_full = reply.add(told.ino, place + 1, name, &valid, &told, GENERATION);
                    if is_full {
                        served.inodes.forget(told.ino.0, 1);
                    }
                    is_full
                }
            };
            if is_full {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(
        &self,
        _request: &Request,
        _inode: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.served.close_folder(handle.0);
        reply.ok();
    }

    fn statfs(&self, _request: &Request, _inode: INodeNo, reply: ReplyStatfs) {
        let names = u32::try_from(limits::NAME_BYTES_MAX).unwrap_or(u32::MAX);
        reply.statfs(0, 0, 0, 0, 0, BLOCK_BYTES, names, BLOCK_BYTES);
    }

    fn getxattr(
        &self,
        _request: &Request,
        inode: INodeNo,
        name: &OsStr,
        size: u32,
        reply: ReplyXattr,
    ) {
        let value = self.wait(self.served.with_node(inode.0, |node| {
            let mut xattrs = attributes::xattrs(node);
            let found = xattrs.find(|xattr| xattr.name.as_bytes() == name.as_bytes());
            found.map(|xattr| xattr.value.clone())
        }));
        match value {
            Ok(Some(Some(value))) => give(&value, size, reply),
            Ok(_) => reply.error(Errno::NO_XATTR),
            Err(errno) => reply.error(errno),
        }
    }

    fn listxattr(&self, _request: &Request, inode: INodeNo, size: u32, reply: ReplyXattr) {
        match self.wait(self.served.with_node(inode.0, attributes::xattr_names)) {
            Ok(names) => give(&names.unwrap_or_default(), size, reply),
            Err(errno) => reply.error(errno),
        }
    }

    fn access(&self, _request: &Request, _inode: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        if mask.contains(AccessFlags::W_OK) {
            reply.error(Errno::EROFS);
        } else {
            reply.ok();
        }
    }
}

/// A program asks for the size first, or says how much room it has.
fn give(value: &[u8], size: u32, reply: ReplyXattr) {
    match u32::try_from(value.len()) {
        Ok(length) if size == 0 => reply.size(length),
        Ok(length) if length <= size => reply.data(value),
        _ => reply.error(Errno::ERANGE),
    }
}

/// What stands at a place of an open folder.
enum Place {
    /// The folder itself and the one above, which the kernel knows better.
    Dots(&'static str),
    /// Of what is in it, the one with this number.
    Child(usize),
}

impl Place {
    fn of(place: u64) -> Option<Self> {
        match place {
            0 => Some(Self::Dots(".")),
            1 => Some(Self::Dots("..")),
            _ => usize::try_from(place - 2).ok().map(Self::Child),
        }
    }
}
