//! What the sources ask of the crate that they are from.

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum BlobKind {
    Data,
    Tree,
}
