//! Puts sorted records together to trees.

use lockgate_types::Digest;

use super::Built;
use super::record::{Record, shown};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Node, Time};

const TREE_BEGIN: &[u8] = b"{\"nodes\":[";
/// With the line end that restic hashes too.
const TREE_END: &[u8] = b"]}\n";

/// Takes records in order and keeps only the folders of the present path open.
pub(super) struct Assembler<E> {
    emit: E,
    time: Time,
    /// The root first.
    open: Vec<Folder>,
    last_key: Vec<u8>,
    nodes_count: u64,
    trees_count: u64,
}

struct Folder {
    /// Empty for the root.
    name: Vec<u8>,
    /// The node of the folder, to be completed with its tree; empty for the root.
    node: Vec<u8>,
    split: usize,
    /// The tree so far.
    tree: Vec<u8>,
    /// The name that was added last.
    last_name: Vec<u8>,
}

impl Folder {
    fn new(name: &[u8], node: Vec<u8>, split: usize) -> Self {
        let (name, tree, last_name) = (name.to_vec(), TREE_BEGIN.to_vec(), Vec::new());
        Self { name, node, split, tree, last_name }
    }

    fn add(&mut self, name: &[u8], print: impl FnOnce(&mut Vec<u8>)) {
        if !self.last_name.is_empty() {
            self.tree.push(b',');
        }
        print(&mut self.tree);
        self.last_name.clear();
        self.last_name.extend_from_slice(name);
    }
}

impl<E: FnMut(Vec<u8>) -> Result<Digest>> Assembler<E> {
    pub(super) fn new(time: Time, emit: E) -> Self {
        let root = Folder::new(b"", Vec::new(), 0);
        Self { emit, time, open: vec![root], last_key: Vec::new(), nodes_count: 0, trees_count: 0 }
    }

    pub(super) fn take(&mut self, record: Record<'_>) -> Result<()> {
        if record.key == self.last_key {
            let text = format!("path {} was added twice", shown(record.key));
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(record.key);

        let mut components = record.components().peekable();
        let mut depth = 1;
        while let Some(component) = components.next() {
            let is_last = components.peek().is_none();
            if is_last {
                self.close_down_to(depth)?;
                self.check_is_new(component, record.key)?;
                return self.place(component, record);
            }
            let is_open = self.open.get(depth).is_some_and(|folder| folder.name == component);
            if !is_open {
                self.close_down_to(depth)?;
                self.check_is_new(component, record.key)?;
                self.make_up(component);
            }
            depth += 1;
        }
        Ok(())
    }

    fn place(&mut self, name: &[u8], record: Record<'_>) -> Result<()> {
        self.nodes_count += 1;
        match record.split {
            Some(split) => {
                self.open.push(Folder::new(name, record.json.to_vec(), split as usize));
            }
            None => self.innermost().add(name, |tree| tree.extend_from_slice(record.json)),
        }
        Ok(())
    }

    fn make_up(&mut self, name: &[u8]) {
        let mut json = Vec::new();
        let split = Node::made_up_directory(name.to_vec(), self.time).print_split(&mut json);
        self.nodes_count += 1;
        self.open.push(Folder::new(name, json, split));
    }

    /// Records are sorted, so that only the name before can be the same: a file where a folder is needed.
    fn check_is_new(&mut self, name: &[u8], key: &[u8]) -> Result<()> {
        if self.innermost().last_name == name {
            let text = format!("path {} needs a folder where there is a file", shown(key));
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        Ok(())
    }

    fn close_down_to(&mut self, depth: usize) -> Result<()> {
        while self.open.len() > depth {
            let Some(folder) = self.open.pop() else { break };
            let digest = self.store(folder.tree)?;
            let (before, after) = folder.node.split_at(folder.split);
            self.innermost().add(&folder.name, |tree| {
                tree.extend_from_slice(before);
                tree.extend_from_slice(format!(",\"subtree\":\"{digest}\"").as_bytes());
                tree.extend_from_slice(after);
            });
        }
        Ok(())
    }

    fn store(&mut self, mut tree: Vec<u8>) -> Result<Digest> {
        tree.extend_from_slice(TREE_END);
        self.trees_count += 1;
        (self.emit)(tree)
    }

    fn innermost(&mut self) -> &mut Folder {
        self.open.last_mut().expect("the root stays open")
    }

    pub(super) fn finish(mut self) -> Result<Built> {
        self.close_down_to(1)?;
        let tree = std::mem::take(&mut self.innermost().tree);
        let root = self.store(tree)?;
        Ok(Built { root, nodes_count: self.nodes_count, trees_count: self.trees_count })
    }
}
