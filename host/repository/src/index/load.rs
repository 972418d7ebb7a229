use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use lockgate_types::Digest;

use super::{Index, IndexBuilder};
use crate::error::Result;
use crate::format::IndexFile;
use crate::layout::{FileKind, off_reactor};
use crate::limits;
use crate::open::Repository;

/// The index that was loaded last, as long as somebody has it. Files never change under their names: what is made of the same
/// files is the same index, and whoever reads beside a writer needs no other.
#[derive(Debug, Default)]
pub(crate) struct LastIndex(Mutex<Weak<Index>>);

impl LastIndex {
    fn of(&self, files: &HashSet<Digest>) -> Option<Arc<Index>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).upgrade()?;
        (last.files == *files).then_some(last)
    }

    fn note(&self, index: &Arc<Index>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(index);
    }
}

impl Repository {
    /// Loads all index files. One that cannot be read is an error.
    ///
    /// # Errors
    /// `Storage`, `Corrupt`, `Limit`.
    pub(crate) async fn load_index(&self) -> Result<Arc<Index>> {
        self.load_index_without(&HashSet::new()).await
    }

    /// The same without the packs in `distrusted`. A prune may replace some files between the listing and the reading: then all
    /// are read again. What is listed and is never there stays an error.
    pub(crate) async fn load_index_without(
        &self,
        distrusted: &HashSet<Digest>,
    ) -> Result<Arc<Index>> {
        for _ in 1..limits::LISTINGS_MAX {
            match self.load_listed_index(distrusted).await {
                Err(error) if error.is_of_missing_file() => {}
                result => return result,
            }
        }
        self.load_listed_index(distrusted).await
    }

    async fn load_listed_index(&self, distrusted: &HashSet<Digest>) -> Result<Arc<Index>> {
        let files = self.list_files(FileKind::Index).await?;
        let ids = files.iter().map(|file| file.id).collect();
        let is_whole = distrusted.is_empty();
        if is_whole && let Some(last) = self.last_index().of(&ids) {
            return Ok(last);
        }
        let mut builder = IndexBuilder::new();
        self.load_files(files, |_, mut file: IndexFile| {
            if !is_whole {
                file.packs.retain(|pack| !distrusted.contains(&pack.id));
                file.packs_to_delete.retain(|pack| !distrusted.contains(&pack.id));
            }
            builder.add(&file)
        })
        .await?;
        let index = off_reactor(move || Index { files: ids, ..builder.finish() }).await;
        let index = Arc::new(index);
        if is_whole {
            self.last_index().note(&index);
        }
        Ok(index)
    }
}
