use std::sync::{Mutex, PoisonError};

use lockgate_types::{Digest, EntryPath};

use crate::format::Node;

/// A file whose chunks are on their way.
#[derive(Default)]
pub(super) struct Entry(Mutex<State>);

#[derive(Default)]
struct State {
    content: Vec<Digest>,
    resolved: usize,
    finished: Option<Finished>,
}

struct Finished {
    path: EntryPath,
    node: Node,
    chunks: usize,
}

/// An entry all of whose chunks have their names.
pub(super) type Complete = (EntryPath, Node);

impl Entry {
    /// Chunk number `place` has the name `id`. The entry, when that was all that it waited for.
    pub(super) fn resolve(&self, place: usize, id: Digest) -> Option<Complete> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.content.len() <= place {
            state.content.resize(place + 1, Digest([0; 32]));
        }
        state.content[place] = id;
        state.resolved += 1;
        state.take_if_complete()
    }

    /// The stream has ended after `chunks`. The entry, when none of them is on its way any more.
    pub(super) fn finish(&self, path: EntryPath, node: Node, chunks: usize) -> Option<Complete> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.finished = Some(Finished { path, node, chunks });
        state.take_if_complete()
    }
}

impl State {
    fn take_if_complete(&mut self) -> Option<Complete> {
        let resolved = self.resolved;
        let Finished { path, mut node, .. } =
            self.finished.take_if(|finished| finished.chunks == resolved)?;
        node.content = Some(std::mem::take(&mut self.content));
        Some((path, node))
    }
}
