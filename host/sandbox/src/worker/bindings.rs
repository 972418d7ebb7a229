//! The contract as Rust: made from `wit/` at compile time.

#![allow(missing_docs, reason = "the contract's own text documents what is generated from it")]

use super::capability::{archive, credentials, file_locks, files, http, listing, net, under_way};

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "plugin",
    imports: { default: trappable },
    with: {
        "lockgate:datastore/archive.writer": archive::Writer,
        "lockgate:datastore/archive.reader": archive::Reader,
        "lockgate:datastore/archive.transfer": under_way::Transfer,
        "lockgate:datastore/archive.lookup": under_way::Lookup,
        "lockgate:datastore/net.connection": net::Connection,
        "lockgate:datastore/http.exchange": http::Exchange,
        "lockgate:datastore/files.file": files::OpenFile,
        "lockgate:datastore/files.listing": listing::Listing,
        "lockgate:datastore/file-locks.lock": file_locks::Lock,
        "lockgate:datastore/credentials.credential": credentials::Credential,
    },
    trappable_error_type: { "lockgate:datastore/types.failure" => super::fault::Fault },
});
