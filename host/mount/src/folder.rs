//! A folder of a snapshot, as its tree holds it.

use lockgate_repository::Node;

use crate::names;

/// What is in a folder, in the order of the names.
pub(crate) struct Folder {
    nodes: Vec<Node>,
    bytes: usize,
}

impl Folder {
    /// Leaves out what the kernel must not see.
    pub(crate) fn new(mut nodes: Vec<Node>) -> Self {
        let all = nodes.len();
        nodes.retain(|node| names::is_name(&node.name));
        if nodes.len() < all {
            tracing::warn!(
                left_out = all - nodes.len(),
                "a folder holds names that cannot be shown"
            );
        }
        let bytes = nodes.iter().map(weigh).sum();
        Self { nodes, bytes }
    }

    /// What it takes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<&Node> {
        let at = self.nodes.binary_search_by(|node| node.name.as_slice().cmp(name)).ok()?;
        self.nodes.get(at)
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Node> {
        self.nodes.get(number)
    }
}

fn weigh(node: &Node) -> usize {
    let texts = node.name.len() + node.user.len() + node.group.len() + node.linktarget.len();
    let xattrs = node.xattrs.iter().map(|xattr| xattr.name.len() + xattr.value.len() + 48);
    size_of::<Node>() + texts + size_of_val(node.blobs()) + xattrs.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_left_out_and_the_others_found() {
        let node = |name: &[u8]| Node { name: name.to_vec(), ..Node::default() };
        let names: [&[u8]; 7] = [b"", b".", b"..", b"../x", b"a", b"b\0", b"c"];
        let folder = Folder::new(names.map(node).to_vec());
        assert!(folder.find(b"a").is_some() && folder.find(b"c").is_some());
        assert!(folder.find(b"..").is_none() && folder.find(b"").is_none());
        assert_eq!(folder.get(1).unwrap().name, b"c");
        assert!(folder.get(2).is_none() && folder.bytes() > 2 * size_of::<Node>());
    }
}
