//! Every limit of a plugin, in one place. Sources for the figures: wasmtime's documentation of its own defaults, and what
//! the largest first-party plugin needs, times ten.

use std::time::Duration;

pub use lockgate_trust::Limits;

/// Elements of all tables of one instance.
pub const TABLE_ELEMENTS_MAX: usize = 100_000;
/// Stack of one instance, in bytes.
pub const STACK_BYTES: usize = 1 << 20;
/// Bytes that one call of the host may make the host allocate.
pub const HOSTCALL_BYTES_MAX: usize = 16 << 20;
/// Largest message of a frame, in bytes; raw bytes behind a frame do not count.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Raw bytes behind one frame.
pub const DATA_BYTES_MAX: u32 = 16 << 20;
/// Descriptors beside one frame: Linux allows 253 (`SCM_MAX_FD`).
pub const DESCRIPTORS_MAX: usize = 128;
/// Descriptors that a worker may have open.
pub const DESCRIPTORS_OPEN_MAX: u64 = 65_536;
/// Log that one call may write, in bytes; the rest is counted and dropped.
pub const LOG_BYTES_MAX: usize = 1 << 20;
/// Refused requests that one call of a plugin may have in the log; the rest is counted.
pub const REFUSALS_LOGGED_MAX: u64 = 100;
/// Random bytes in one call.
pub const RANDOM_BYTES_MAX: u32 = 64 << 10;
/// Entries that one instance may be writing or reading at once.
pub const OPEN_ENTRIES_MAX: usize = 64;
/// Connections that one instance may hold at once.
pub const CONNECTIONS_MAX: usize = 64;
/// Iterations that a server may ask for in SCRAM: the least that RFC 5802 and RFC 7677 name, and what takes some tenths of a
/// second.
pub const SCRAM_ITERATIONS_MIN: u32 = 4_096;
/// See [`SCRAM_ITERATIONS_MIN`].
pub const SCRAM_ITERATIONS_MAX: u32 = 1_000_000;
/// HTTP requests that one instance may have under way at once.
pub const EXCHANGES_MAX: usize = 16;
/// All headers of one HTTP request or response with its first line, in bytes. Servers have 8 to 64 KiB.
pub const HEADERS_BYTES_MAX: usize = 64 << 10;
/// Headers of one HTTP request or response.
pub const HEADERS_MAX: usize = 256;
/// Path and query of one HTTP request, in bytes. Servers have 8 KiB or less.
pub const TARGET_BYTES_MAX: usize = 16 << 10;
/// Bytes that one HTTP connection reads ahead.
pub const HTTP_BUFFER_BYTES: usize = 256 << 10;
/// Pieces of a request's body that wait for the network; each is what one call of the plugin brought.
pub const BODY_PIECES_MAX: usize = 2;
/// Bytes of a request's body in one call of `http.exchange.write`.
pub const BODY_PIECE_BYTES_MAX: usize = 4 << 20;
/// Redirects that one HTTP request follows within its endpoint.
pub const REDIRECTS_MAX: u32 = 5;
/// HTTP connections to one endpoint that are kept for the next request.
pub const IDLE_CONNECTIONS_MAX: usize = 8;
/// How long an HTTP connection is kept for the next request. Servers close theirs after 5 s and more.
pub const IDLE_CONNECTION_TIME: Duration = Duration::from_secs(4);
/// Entries in one answer of `archive.entries`, names in one answer of `files.listing.next`.
pub const PAGE_ENTRIES_MAX: u32 = 1_000;
/// Questions about the parent snapshot that one instance may have under way. Their answers must fit into the socket, so that the host
/// never waits for the plugin: each is a byte an entry.
pub const LOOKUPS_MAX: usize = 4;
/// How often the deadline of running instances is looked at.
pub const EPOCH: Duration = Duration::from_millis(10);
/// How long a plugin may go on after it was told that the run is cancelled.
pub const CANCEL_GRACE: Duration = Duration::from_secs(5);

/// How long a worker may take to start and load its code, or an instance to come up.
pub const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a component may compile.
pub const COMPILE_TIMEOUT: Duration = Duration::from_secs(600);
/// Memory of a worker that compiles, in bytes; 50,000 functions take 350 MiB.
pub const COMPILE_BYTES_MAX: u64 = 4 << 30;
/// Compiled code of one component, in bytes.
pub const CODE_BYTES_MAX: u64 = 1 << 30;
/// How long a worker may take to end once its control socket is closed.
pub const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// What is kept of a worker's standard error, in bytes.
pub const WORKER_STDERR_BYTES_MAX: usize = 2 << 10;
/// One message, name or value of a log line, in bytes.
pub const LOG_TEXT_BYTES_MAX: usize = 4 << 10;
/// How long a name may take to resolve.
pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried.
pub const ADDRESSES_MAX: usize = 8;
/// How long one address may take to accept a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a TLS handshake may take.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a command that prints a secret may take.
pub const SECRET_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest secret, in bytes.
pub const SECRET_BYTES_MAX: u64 = 64 << 10;
/// Bytes of one answer of `archive.reader.read`.
pub const READ_BYTES_MAX: u32 = 4 << 20;

/// Core instances, memories and tables of one component, each: components made by interpreters have some dozens.
pub const INSTANCES_MAX: usize = 256;
/// Files up to this size are read by the worker; of longer ones the host gets a descriptor. In bytes.
pub const INLINE_BYTES_MAX: usize = 64 << 10;
/// Bytes of one answer of `files.file.read-at`, and of one read for a digest.
pub const TRANSFER_BYTES_MAX: u32 = 1 << 20;
/// Bytes of one answer of `net.connection.read`. Small enough for the allocator to have them at hand: larger blocks are mapped
/// anew for each read, which costs more than the read itself.
pub const NET_READ_BYTES_MAX: u32 = 128 << 10;
/// Names of all folders that one instance is going through at once, in bytes.
pub const LISTING_BYTES_MAX: usize = 512 << 20;
/// Extended attributes of one file, in bytes: Linux keeps up to 64 KiB of names and of each value (`xattr(7)`).
pub const ATTRIBUTES_BYTES_MAX: usize = 1 << 20;
/// Parts of files that one instance may have locked at once: the kernel keeps a record of each.
pub const LOCKS_MAX: usize = 256;
/// How often a wait for a lock tries again.
pub const LOCK_POLL: Duration = Duration::from_millis(2);
/// How often a wait looks whether the run was cancelled.
pub const CANCEL_POLL: Duration = Duration::from_millis(100);
/// Text of a trap, in bytes.
pub const TRAP_TEXT_BYTES_MAX: usize = 4 << 10;
/// Stack of the thread that serves a lane, in bytes: the instance's and what the host's functions need above it.
pub const LANE_STACK_BYTES: usize = STACK_BYTES + (3 << 20);
/// Parts of one plan.
pub const PARTS_MAX: usize = 1_000_000;
/// Released versions of the contract whose components run here.
pub const CONTRACTS: [&str; 1] = ["0.1.0"];
