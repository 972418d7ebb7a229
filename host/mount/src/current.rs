//! Which snapshots there are at the moment, and what reads them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lockgate_repository::{Filter, Reader, Repository, Result, Snapshot};

use lockgate_types::Digest;

use crate::view::{self, Listing};

/// The snapshots as they were when somebody looked last.
pub(crate) struct Current {
    repository: Repository,
    filter: Filter,
    every: Duration,
    state: Mutex<Arc<State>>,
    turn: Mutex<Turn>,
}

/// One look at the repository. Its index knows all packs that its snapshots need.
pub(crate) struct State {
    pub(crate) reader: Reader,
    pub(crate) view: Arc<Listing>,
    snapshots: Vec<Snapshot>,
}

struct Turn {
    is_taken: bool,
    looked: Instant,
}

impl Current {
    /// Looks for the first time. Later on, whoever asks looks again when the last look was `every` ago.
    pub(crate) async fn new(
        repository: &Repository,
        filter: Filter,
        every: Duration,
    ) -> Result<Self> {
        let all = repository.snapshots().await?;
        let reader = repository.reader().await?;
        let state = Mutex::new(Arc::new(State::new(reader, all, &filter)));
        let turn = Mutex::new(Turn { is_taken: false, looked: Instant::now() });
        Ok(Self { repository: repository.clone(), filter, every, state, turn })
    }

    /// As it is known.
    pub(crate) fn known(&self) -> Arc<State> {
        Arc::clone(&lock(&self.state))
    }

    /// As it is known, after another look where it is time for one. One looks; others do not wait for him.
    pub(crate) async fn fresh(&self) -> Arc<State> {
        if self.takes_turn() {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "cannot look for new snapshots; what is known is shown");
            }
            let mut turn = lock(&self.turn);
            (turn.is_taken, turn.looked) = (false, Instant::now());
        }
        self.known()
    }

    fn takes_turn(&self) -> bool {
        let mut turn = lock(&self.turn);
        let is_time = !turn.is_taken && turn.looked.elapsed() >= self.every;
        turn.is_taken |= is_time;
        is_time
    }

    async fn look(&self) -> Result<()> {
        let known = self.known();
        let found = self.repository.snapshots_again(&known.snapshots).await?;
        let ids: HashSet<Digest> = known.snapshots.iter().map(|it| it.id).collect();
        let is_known = |snapshot: &Snapshot| ids.contains(&snapshot.id);
        if found.len() == known.snapshots.len() && found.iter().all(is_known) {
            return Ok(());
        }
        // What only went away needs no other index.
        let reader = if found.iter().all(is_known) {
            known.reader.clone()
        } else {
            self.repository.reader().await?
        };
        tracing::info!(snapshots = found.len(), "the snapshots have changed");
        *lock(&self.state) = Arc::new(State::new(reader, found, &self.filter));
        Ok(())
    }
}

impl State {
    fn new(reader: Reader, snapshots: Vec<Snapshot>, filter: &Filter) -> Self {
        let taken: Vec<Snapshot> =
            snapshots.iter().filter(|it| filter.takes(it)).cloned().collect();
        let view = Arc::new(view::build(&taken));
        Self { reader, view, snapshots }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
