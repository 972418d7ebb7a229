//! Blobs that several threads find at the same time.

use lockgate_types::Digest;
use shuttle::sync::Arc;
use shuttle::thread;

use super::claims::Claims;
use crate::format::BlobKind;

/// Of several threads that come with the same blobs, each is stored by exactly one, and known to all from then on.
pub fn a_blob_is_claimed_once(threads: usize, blobs: u8) {
    let claims = Arc::new(Claims::new());
    let claimers: Vec<_> = (0..threads)
        .map(|_| {
            let claims = Arc::clone(&claims);
            thread::spawn(move || {
                let claim = |number| {
                    let (kind, id) = (BlobKind::Data, Digest([number; 32]));
                    let is_mine = claims.claim(kind, &id);
                    assert!(claims.contains(kind, &id), "it was claimed by somebody");
                    assert!(!claims.contains(BlobKind::Tree, &id), "a tree is another blob");
                    usize::from(is_mine)
                };
                (0..blobs).map(claim).sum::<usize>()
            })
        })
        .collect();
    let claimed: usize = claimers.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(claimed, usize::from(blobs));
}
