use std::collections::{HashMap, HashSet};

use lockgate_types::Digest;

use crate::check::TreeGraph;
use crate::error::{Error, Result};
use crate::format::{BlobKind, Node, NodeKind, TreeNodes, TreePrinter};
use crate::index::Index;
use crate::read::Reader;
use crate::survey::survey;
use crate::write::Writer;

/// What is lost in a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) files: u64,
    pub(super) folders: u64,
    pub(super) bytes: u64,
}

/// What is damaged below some roots.
pub(super) struct Damage {
    /// Of trees that cannot be read, and of those in which content of files is lost.
    losses: HashMap<Digest, Loss>,
    unreadable: HashSet<Digest>,
    /// Trees in or below which something is lost, with those of them that stand in each.
    reached: HashMap<Digest, Vec<Digest>>,
}

#[derive(Default)]
struct Facts {
    subtrees: Vec<Digest>,
    loss: Loss,
}

impl Damage {
    /// Reads all trees below `roots`.
    ///
    /// # Errors
    /// `Storage` when it cannot be reached.
    pub(super) async fn find(reader: &Reader, roots: impl Iterator<Item = Digest>) -> Result<Self> {
        let (mut graph, mut children) = (TreeGraph::default(), HashMap::new());
        let (mut losses, mut unreadable) = (HashMap::new(), HashSet::new());
        let roots: Vec<Digest> = roots.collect();
        for root in &roots {
            graph.insert(*root);
        }
        let asked = reader.clone();
        let visit = move |nodes| facts(asked.index(), nodes);
        survey(reader, roots, visit, |tree, facts: Result<Facts>| {
            let facts = match facts {
                Ok(facts) => facts,
                Err(error) => {
                    tracing::warn!(%error, "a folder cannot be read");
                    unreadable.insert(tree);
                    Facts { loss: Loss { folders: 1, ..Loss::default() }, ..Facts::default() }
                }
            };
            if facts.loss != Loss::default() {
                losses.insert(tree, facts.loss);
            }
            for subtree in &facts.subtrees {
                graph.link(*subtree, &tree);
            }
            children.insert(tree, facts.subtrees.clone());
            Ok(facts.subtrees)
        })
        .await?;
        let above = graph.above(losses.keys().copied());
        children.retain(|tree, _| above.contains(tree));
        for below in children.values_mut() {
            below.retain(|tree| above.contains(tree));
        }
        Ok(Self { losses, unreadable, reached: children })
    }

    /// Whether something is lost in a tree or below it.
    pub(super) fn reaches(&self, tree: &Digest) -> bool {
        self.reached.contains_key(tree)
    }

    /// What is lost in a tree and below it, each tree counted once.
    pub(super) fn below(&self, root: &Digest) -> Loss {
        let (mut open, mut seen) = (vec![*root], HashSet::from([*root]));
        let mut sum = Loss::default();
        while let Some(tree) = open.pop() {
            let loss = self.losses.get(&tree).copied().unwrap_or_default();
            sum.files += loss.files;
            sum.folders += loss.folders;
            sum.bytes = sum.bytes.saturating_add(loss.bytes);
            let below = self.reached.get(&tree).map(Vec::as_slice).unwrap_or_default();
            open.extend(below.iter().filter(|tree| seen.insert(**tree)));
        }
        sum
    }
}

fn facts(index: &Index, mut nodes: TreeNodes) -> Result<Facts> {
    let mut facts = Facts::default();
    while let Some(mut node) = nodes.next_node()? {
        match (node.kind, node.subtree) {
            (NodeKind::Directory, Some(tree)) => facts.subtrees.push(tree),
            // A folder without a tree is given an empty one.
            (NodeKind::Directory, None) => facts.loss.folders += 1,
            _ => {}
        }
        if let Some(bytes) = shorten(index, &mut node) {
            facts.loss.files += 1;
            facts.loss.bytes = facts.loss.bytes.saturating_add(bytes);
        }
    }
    Ok(facts)
}

/// Takes the content that is lost out of a node; the bytes that it had, if there is any.
fn shorten(index: &Index, node: &mut Node) -> Option<u64> {
    let is_there = |blob: &Digest| index.locate(BlobKind::Data, blob).is_some();
    let content = node.content.as_mut()?;
    if content.iter().all(is_there) {
        return None;
    }
    content.retain(is_there);
    let lengths = content.iter().filter_map(|blob| index.plain_length(BlobKind::Data, blob));
    let left: u64 = lengths.map(u64::from).sum();
    let before = std::mem::replace(&mut node.size, left);
    Some(before.saturating_sub(left))
}

/// Writes the trees without what is lost, those below a tree first.
pub(super) struct Rewriter<'a> {
    reader: &'a Reader,
    damage: &'a Damage,
    writer: &'a Writer,
    done: HashMap<Digest, Digest>,
}

impl<'a> Rewriter<'a> {
    pub(super) fn new(reader: &'a Reader, damage: &'a Damage, writer: &'a Writer) -> Self {
        Self { reader, damage, writer, done: HashMap::new() }
    }

    /// The tree that stands for `root` now; none when it cannot be read.
    ///
    /// # Errors
    /// `Storage`, and those of the writer.
    pub(super) async fn rewrite(&mut self, root: Digest) -> Result<Option<Digest>> {
        if self.damage.unreadable.contains(&root) {
            return Ok(None);
        }
        // No recursion: whoever wrote the trees decides how deep they are.
        let mut open = vec![(root, false)];
        while let Some((tree, is_ready)) = open.pop() {
            let Some(below) = self.damage.reached.get(&tree) else { continue };
            if self.done.contains_key(&tree) {
                continue;
            }
            if is_ready || below.is_empty() {
                let json = self.print(&tree).await?;
                let new = self.writer.store_tree(json).await?;
                self.done.insert(tree, new);
            } else {
                open.push((tree, true));
                open.extend(below.iter().map(|tree| (*tree, false)));
            }
        }
        Ok(self.done.get(&root).copied())
    }

    async fn print(&self, tree: &Digest) -> Result<Vec<u8>> {
        let mut printer = TreePrinter::new();
        if self.damage.unreadable.contains(tree) {
            return Ok(printer.finish());
        }
        let mut nodes = self.reader.tree(tree).await?;
        while let Some(mut node) = nodes.next_node()? {
            shorten(self.reader.index(), &mut node);
            if node.kind == NodeKind::Directory {
                node.subtree = Some(match node.subtree {
                    Some(subtree) => self.done.get(&subtree).copied().unwrap_or(subtree),
                    None => self.writer.store_tree(TreePrinter::new().finish()).await?,
                });
            }
            printer.add(&node).map_err(|error| Error::corrupt("tree", error))?;
        }
        Ok(printer.finish())
    }
}
