use std::collections::VecDeque;

use lockgate_types::{Digest, EntryPath};
use tokio_util::task::AbortOnDropHandle;

use super::Reader;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Node, NodeKind, TreeNodes};
use crate::limits;

/// Goes through what is below a folder, depth first. Trees are fetched a little before they are reached.
#[derive(Debug)]
pub struct Walk {
    reader: Reader,
    tree: Digest,
    prefix: EntryPath,
    /// Nothing up to this path is given.
    after: Option<EntryPath>,
    is_started: bool,
    /// The outermost first.
    open: Vec<Open>,
}

/// A folder that is being gone through.
#[derive(Debug)]
struct Open {
    path: EntryPath,
    nodes: TreeNodes,
    /// Parsed before their turn, to see which trees come next.
    ahead: VecDeque<Node>,
    /// Of the folders in `ahead`, in the same order.
    fetches: VecDeque<(Digest, Fetch)>,
}

/// A tree on its way; the task ends when nobody waits for it any more.
type Fetch = AbortOnDropHandle<Result<TreeNodes>>;

/// Nodes that are looked at for folders to fetch.
const NODES_AHEAD_MAX: usize = 64;

impl Walk {
    pub(super) fn new(
        reader: Reader,
        tree: Digest,
        prefix: EntryPath,
        after: Option<EntryPath>,
    ) -> Self {
        Self { reader, tree, prefix, after, is_started: false, open: Vec::new() }
    }

    /// The next node and its path from the root; none at the end.
    ///
    /// # Errors
    /// `Storage`, `Corrupt`; then the walk is over.
    pub async fn next(&mut self) -> Result<Option<(EntryPath, Node)>> {
        if !self.is_started {
            self.is_started = true;
            self.start().await?;
        }
        loop {
            let Some(folder) = self.open.last_mut() else { return Ok(None) };
            let Some((node, fetch)) = folder.next(&self.reader)? else {
                self.open.pop();
                continue;
            };
            let path = child(&folder.path, &node)?;
            match &self.after {
                Some(after) if path <= *after => {
                    // Only the folders on the way to where the walk goes on hold something that comes after.
                    if after.strip_prefix(&path).is_some() {
                        self.enter(&path, &node, fetch).await?;
                    }
                }
                _ => {
                    self.after = None;
                    self.enter(&path, &node, fetch).await?;
                    return Ok(Some((path, node)));
                }
            }
        }
    }

    async fn start(&mut self) -> Result<()> {
        if let Some(folder) = self.reader.folder_tree(&self.tree, &self.prefix).await? {
            let nodes = self.reader.tree(&folder).await?;
            self.open.push(Open::new(self.prefix.clone(), nodes));
        }
        Ok(())
    }

    async fn enter(&mut self, path: &EntryPath, node: &Node, fetch: Option<Fetch>) -> Result<()> {
        let (NodeKind::Directory, Some(subtree)) = (node.kind, node.subtree) else { return Ok(()) };
        let fetched = match fetch {
            None => self.reader.tree(&subtree).await,
            Some(fetch) => match fetch.await {
                Ok(fetched) => fetched,
                Err(error) => {
                    Err(Error::new(ErrorKind::Cancelled, "the walk was stopped").with_source(error))
                }
            },
        };
        match fetched {
            Ok(nodes) => {
                self.open.push(Open::new(path.clone(), nodes));
                Ok(())
            }
            Err(error) => {
                self.open.clear();
                Err(error.at(format_args!("folder {path}")))
            }
        }
    }
}

fn child(folder: &EntryPath, node: &Node) -> Result<EntryPath> {
    let named = |error: &dyn std::fmt::Display| Error::corrupt("tree", error);
    let name = EntryPath::new(node.name.clone()).map_err(|error| named(&error))?;
    folder.join(&name).map_err(|error| named(&error))
}

impl Open {
    fn new(path: EntryPath, nodes: TreeNodes) -> Self {
        Self { path, nodes, ahead: VecDeque::new(), fetches: VecDeque::new() }
    }

    /// The next node, and its tree if it is on its way already.
    fn next(&mut self, reader: &Reader) -> Result<Option<(Node, Option<Fetch>)>> {
        self.look_ahead(reader)?;
        let Some(node) = self.ahead.pop_front() else { return Ok(None) };
        let is_fetched = self.fetches.front().is_some_and(|(id, _)| node.subtree == Some(*id));
        let fetch = if is_fetched { self.fetches.pop_front() } else { None };
        Ok(Some((node, fetch.map(|(_, fetch)| fetch))))
    }

    fn look_ahead(&mut self, reader: &Reader) -> Result<()> {
        while self.ahead.len() < NODES_AHEAD_MAX && self.fetches.len() < limits::TREES_AHEAD_MAX {
            let Some(node) = self.nodes.next_node()? else { break };
            if let (NodeKind::Directory, Some(id)) = (node.kind, node.subtree) {
                let reader = reader.clone();
                let task = tokio::spawn(async move { reader.tree(&id).await });
                self.fetches.push_back((id, Fetch::new(task)));
            }
            self.ahead.push_back(node);
        }
        Ok(())
    }
}
