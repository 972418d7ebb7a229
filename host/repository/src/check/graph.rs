use std::collections::{HashMap, HashSet};

use lockgate_types::Digest;

/// Which tree stands in which, for all trees of all snapshots; about 60 bytes a tree and 8 bytes for each time it is used.
#[derive(Debug, Default)]
pub(crate) struct TreeGraph {
    numbers: HashMap<Digest, u32>,
    ids: Vec<Digest>,
    /// (child, parent)
    edges: Vec<(u32, u32)>,
}

impl TreeGraph {
    /// Whether the tree was not known yet.
    pub(crate) fn insert(&mut self, tree: Digest) -> bool {
        let count = self.ids.len();
        self.number(tree);
        self.ids.len() > count
    }

    /// Notes that `child` stands in `parent`; whether the child was not known yet.
    pub(crate) fn link(&mut self, child: Digest, parent: &Digest) -> bool {
        let parent = self.number(*parent);
        let is_new = self.insert(child);
        let child = self.number(child);
        self.edges.push((child, parent));
        is_new
    }

    pub(crate) fn trees(&self) -> &[Digest] {
        &self.ids
    }

    /// `hit` and all trees above them.
    pub(crate) fn above(&self, hit: impl IntoIterator<Item = Digest>) -> HashSet<Digest> {
        let mut edges = self.edges.clone();
        edges.sort_unstable();
        let mut open: Vec<u32> =
            hit.into_iter().filter_map(|tree| self.numbers.get(&tree).copied()).collect();
        let mut above: HashSet<u32> = open.iter().copied().collect();
        while let Some(tree) = open.pop() {
            let from = edges.partition_point(|(child, _)| *child < tree);
            let rest = edges.get(from..).unwrap_or_default();
            for (_, parent) in rest.iter().take_while(|(child, _)| *child == tree) {
                if above.insert(*parent) {
                    open.push(*parent);
                }
            }
        }
        above.into_iter().filter_map(|number| self.ids.get(number as usize).copied()).collect()
    }

    fn number(&mut self, tree: Digest) -> u32 {
        *self.numbers.entry(tree).or_insert_with(|| {
            self.ids.push(tree);
            u32::try_from(self.ids.len() - 1).expect("fewer than 2^32 trees fit in memory")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_above_a_tree_is_found_and_nothing_else() {
        let tree = |byte: u8| Digest([byte; 32]);
        let mut graph = TreeGraph::default();
        assert!(graph.insert(tree(1)));
        assert!(graph.link(tree(2), &tree(1)));
        assert!(graph.link(tree(3), &tree(2)));
        assert!(graph.insert(tree(9)));
        assert!(!graph.link(tree(3), &tree(9)));
        assert!(graph.link(tree(4), &tree(1)));
        let above = graph.above([tree(3), tree(77)]);
        assert_eq!(above, HashSet::from([tree(1), tree(2), tree(3), tree(9)]));
    }
}
