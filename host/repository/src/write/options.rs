use crate::chunk::Chunking;
use crate::compress::Compression;
use crate::limits;

/// How a run writes. Every field has a default that suits one machine and one repository.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WriteOptions {
    /// How hard to compress; `Auto` by default. Repositories of format version 1 know no compression.
    pub compression: Compression,
    /// Where chunks end; `Keyed` by default.
    pub chunking: Chunking,
    /// Whether every sealed chunk is opened, expanded and compared with its bytes before it is stored; on by default.
    /// Protects from faulty memory and from faults of the compressor, for about a quarter more CPU time.
    pub verify: bool,
    /// Bytes at which a pack is stored: 16 MiB by default, at least 1 MiB and at most 128 MiB, the range of restic.
    pub pack_bytes: usize,
    /// Bytes of all buffers between the streams and the storage: 128 MiB by default, at least eight packs. Full only
    /// when the storage is slower than everything before it. Packs on their way to a local folder count, although only a
    /// MiB of each is in memory. The tables of zstd and of the index come on top.
    pub memory_bytes: usize,
    /// Threads that hash, compress and seal: as many as the machine has, by default.
    pub cpu_threads: usize,
    /// Packs that are stored at the same time: 4 by default.
    pub uploads: usize,
    /// Whether many chunks are hashed side by side in vector registers where the CPU has no instructions for SHA-256;
    /// on by default. An off switch, should a CPU be wrong.
    pub vector_hashing: bool,
}

impl WriteOptions {
    const PACK_BYTES_MIN: usize = 1 << 20;
    const PACK_BYTES_MAX: usize = 128 << 20;
    const CPU_THREADS_MAX: usize = 256;
    const UPLOADS_MAX: usize = 64;

    /// The nearest options that make sense.
    pub(super) fn clamped(mut self) -> Self {
        self.pack_bytes = self.pack_bytes.clamp(Self::PACK_BYTES_MIN, Self::PACK_BYTES_MAX);
        self.memory_bytes = self.memory_bytes.max(8 * self.pack_bytes);
        self.cpu_threads = self.cpu_threads.clamp(1, Self::CPU_THREADS_MAX);
        self.uploads = self.uploads.clamp(1, Self::UPLOADS_MAX);
        self
    }
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            compression: Compression::default(),
            chunking: Chunking::default(),
            verify: true,
            pack_bytes: 16 << 20,
            memory_bytes: 128 << 20,
            cpu_threads: limits::cpus(),
            uploads: 4,
            vector_hashing: true,
        }
    }
}
