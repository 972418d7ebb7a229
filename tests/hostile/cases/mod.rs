//! The attacks, one table for each thing that is attacked, with what must come of each. The functions of the same names are
//! in `plugin/src`.

mod archive;
mod calls;
mod compute;
mod credentials;
mod file_locks;
mod files;
mod http;
mod long;
mod messages;
mod names;
mod net;
mod text;

use crate::case::Case;

/// All of them.
pub fn all() -> impl Iterator<Item = Case> {
    let tables = [
        archive::ALL,
        calls::ALL,
        compute::ALL,
        credentials::ALL,
        file_locks::ALL,
        files::ALL,
        http::ALL,
        long::ALL,
        messages::ALL,
        names::ALL,
        net::ALL,
        text::ALL,
    ];
    tables.into_iter().flatten().copied()
}
