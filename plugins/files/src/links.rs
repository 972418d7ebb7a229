use std::collections::BTreeMap;

use lockgate_plugin::{Kind, Metadata};

/// Finds the names that lead to the same inode. Holds only inodes whose other names are still to come.
#[derive(Debug, Default)]
pub struct HardLinks {
    // By device and inode. Ordered and not hashed, because a hostile archive chooses the numbers.
    known: BTreeMap<(u64, u64), Known>,
}

#[derive(Debug)]
struct Known {
    first: Vec<u8>,
    still_to_come: u64,
}

impl HardLinks {
    /// The first name of the inode when `path` is a further one of it.
    pub fn first(&mut self, path: &[u8], metadata: &Metadata) -> Option<Vec<u8>> {
        if metadata.links < 2 || metadata.kind == Kind::Directory {
            return None;
        }
        let inode = (metadata.device, metadata.inode);
        let Some(known) = self.known.get_mut(&inode) else {
            let known = Known { first: path.to_vec(), still_to_come: metadata.links - 1 };
            self.known.insert(inode, known);
            return None;
        };
        known.still_to_come -= 1;
        let first = known.first.clone();
        if known.still_to_come == 0 {
            self.known.remove(&inode);
        }
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tests::metadata;

    #[test]
    fn further_names_lead_to_the_first_and_are_forgotten_after_the_last() {
        let mut links = HardLinks::default();
        let inode = Metadata { inode: 7, links: 3, ..metadata(Kind::Regular) };
        assert_eq!(links.first(b"a", &inode), None);
        assert_eq!(links.first(b"b", &inode), Some(b"a".to_vec()));
        assert_eq!(links.first(b"c", &inode), Some(b"a".to_vec()));
        assert!(links.known.is_empty());
    }

    #[test]
    fn equal_inodes_of_two_devices_are_two_files() {
        let mut links = HardLinks::default();
        let here = Metadata { inode: 7, links: 2, device: 1, ..metadata(Kind::Regular) };
        let there = Metadata { device: 2, ..here.clone() };
        assert_eq!(links.first(b"a", &here), None);
        assert_eq!(links.first(b"b", &there), None);
    }

    #[test]
    fn folders_and_single_names_are_not_remembered() {
        let mut links = HardLinks::default();
        let folder = Metadata { links: 9, ..metadata(Kind::Directory) };
        assert_eq!(links.first(b"a", &folder), None);
        assert_eq!(links.first(b"b", &Metadata { links: 1, ..metadata(Kind::Regular) }), None);
        assert!(links.known.is_empty());
    }
}
