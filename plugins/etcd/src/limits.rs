//! Every limit of this plugin, in one place.

/// One answer of the gateway that is held in memory as a whole (status, members, users, ...), in bytes.
pub const ANSWER_BYTES_MAX: u64 = 8 << 20;
/// One key or one value, in bytes. A server takes requests of 1.5 MiB by default and warns of more than 10 MiB
/// (`--max-request-bytes`, <https://etcd.io/docs/v3.6/op-guide/configuration/>).
pub const VALUE_BYTES_MAX: usize = 32 << 20;
/// Names, numbers and messages in an answer that streams, in bytes.
pub const WORD_BYTES_MAX: usize = 4 << 10;
/// Values inside each other in an answer.
pub const DEPTH_MAX: u32 = 32;

/// How often a question is asked again for lack of a leader. The server waits some seconds for one each time.
pub const ELECTIONS_MAX: u32 = 4;

/// How often another member is turned to: enough for each of seven that fails, and for no endless circle.
pub const TURNS_MAX: u32 = 7;

/// Keys in the first page of a range. A server builds a whole page in its memory, so that the next page's size follows from
/// the sizes of the values that were seen.
pub const PAGE_KEYS_FIRST: u64 = 16;
/// Keys in any page.
pub const PAGE_KEYS_MAX: u64 = 10_000;
/// Keys in the first page of a range after others were read, where their values were small: those of this one may not be.
pub const PAGE_KEYS_NEXT: u64 = 128;
/// How much larger than the last a page may be.
pub const PAGE_GROWTH: u64 = 8;
/// With fewer keys ahead, a question reaches to their end: to count them costs a server as much as two more questions.
pub const AHEAD_KEYS: u64 = 5_000;
/// What a page should hold, in bytes.
pub const PAGE_BYTES: u64 = 4 << 20;
/// Names in a page whose values are not asked for: the server reads the values all the same.
pub const NAMES_PAGE: u64 = 64;

/// Longest prefix that has a part of its own, in bytes: written as `%XX` it must fit into a name of 255 bytes.
pub const PREFIX_BYTES_MAX: usize = 80;
/// Parts that the keys are split into.
pub const PIECES_MAX: usize = 256;
/// Pages of names for the split of one level.
pub const LOOKS_MAX: usize = 256;
/// A prefix of one, two and three components with more keys is split by the next one. Each part costs a server some
/// questions, and a part of a part is seldom restored alone.
pub const SPLIT_KEYS: [u64; 3] = [10_000, 50_000, 50_000];

/// Changes in one transaction; a server takes 128 by default (`--max-txn-ops`).
pub const BATCH_CHANGES: usize = 100;
/// Keys and values in one transaction, in bytes: a server takes requests of 1.5 MiB by default.
pub const BATCH_BYTES: usize = 1 << 20;
/// Leases of one cluster. The server answers with all of them at once.
pub const LEASES_MAX: usize = 1_000_000;
/// Revisions that `bump-revision` adds at most: each is one write that the members agree on.
pub const BUMP_MAX: i64 = 1_000_000;
/// How far above the archived revision a disaster recovery raises the new cluster: changes after the backup that clients may have
/// seen of the lost one.
pub const RECOVERY_MARGIN: i64 = 1_000;
/// A database that is fuller is a warning, in hundredths of the quota.
pub const QUOTA_PERCENT_MAX: u64 = 80;
/// Keys or parts that one message names.
pub const NAMED_MAX: usize = 10;
