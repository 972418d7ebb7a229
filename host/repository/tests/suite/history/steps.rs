//! What may happen to a repository, and how a history of it is drawn.

use lockgate_storage::fault::Fault;
use proptest::collection::vec;
use proptest::prelude::*;

use super::Files;
use crate::referee::noise;

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// A backup, with a clock that is wrong by so many years.
    Backup(Content, i64),
    /// Two backups at the same time.
    Beside(Content, Content),
    /// A backup that something happens to at a call.
    Troubled(Content, u64, Fault),
    /// Only the newest stay, as many as this.
    KeepLast(u32),
    /// This one goes, counted from the oldest on.
    Forget(usize),
    /// A forget, of all but the newest, that something happens to at a call.
    TroubledForget(u64, Fault),
    /// A prune; each is the first pass for what is new and the second one for what was marked before.
    Prune(Pruning),
    /// A prune and a backup at the same time.
    PruneBeside(Pruning, Content),
    /// A prune that something happens to at a call.
    TroubledPrune(Pruning, u64, Fault),
    /// The clock of the storage goes on by so many hours.
    Wait(u8),
}

/// How a prune is made.
#[derive(Clone, Debug)]
pub struct Pruning {
    /// How long marks stay.
    pub keep_hours: u8,
    /// Percent of unused bytes that stay.
    pub max_unused: u8,
    /// Percent of all bytes that are stored again, or all that is worth it.
    pub max_repack: Option<u8>,
    /// Whether small packs are put together.
    pub merge_small: bool,
    /// Whether there is no time to store anything again.
    pub is_hasty: bool,
}

/// Names, seeds and lengths of files.
pub type Content = Vec<(u8, u8, u16)>;

fn content() -> impl Strategy<Value = Content> {
    vec((0..6_u8, 0..4_u8, prop_oneof![0..200_u16, 0..20_000_u16]), 0..5)
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Fail),
        Just(Fault::LoseAnswer),
        Just(Fault::DieBefore),
        Just(Fault::DieAfter)
    ]
}

fn pruning() -> impl Strategy<Value = Pruning> {
    let share = prop_oneof![Just(0), 0..99_u8];
    let repack = prop_oneof![2 => Just(None), 1 => (0..99_u8).prop_map(Some)];
    let keep = prop_oneof![2 => Just(0), 1 => 0..30_u8];
    (keep, share, repack, any::<bool>(), prop::bool::weighted(0.1)).prop_map(
        |(keep_hours, max_unused, max_repack, merge_small, is_hasty)| Pruning {
            keep_hours,
            max_unused,
            max_repack,
            merge_small,
            is_hasty,
        },
    )
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (content(), -10..=10_i64).prop_map(|(content, years)| Step::Backup(content, years)),
        2 => (content(), content()).prop_map(|(one, two)| Step::Beside(one, two)),
        4 => (content(), 0..30_u64, fault()).prop_map(|(content, call, fault)| Step::Troubled(content, call, fault)),
        1 => (1..4_u32).prop_map(Step::KeepLast),
        1 => (0..6_usize).prop_map(Step::Forget),
        1 => (0..20_u64, fault()).prop_map(|(call, fault)| Step::TroubledForget(call, fault)),
        4 => pruning().prop_map(Step::Prune),
        3 => (pruning(), content()).prop_map(|(how, content)| Step::PruneBeside(how, content)),
        3 => (pruning(), 0..60_u64, fault()).prop_map(|(how, call, fault)| Step::TroubledPrune(how, call, fault)),
        1 => (0..48_u8).prop_map(Step::Wait),
    ];
    vec(step, 1..14)
}

/// Paths and bytes.
pub fn files(content: &Content) -> Files {
    let paths = ["a", "b", "below/c", "below/d", "deep/er/e", "deep/f"];
    let file = |(name, seed, length): &(u8, u8, u16)| {
        (paths[usize::from(*name)].to_owned(), noise(u64::from(*seed), usize::from(*length)))
    };
    content.iter().map(file).collect()
}
