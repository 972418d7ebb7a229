//! The contract as `wit-bindgen` generates it from `wit/`, for what the rest of this crate does not wrap.

#![allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "generated; the contract documents it"
)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "plugin",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "lockgate_plugin::bindings",
    runtime_path: "::wit_bindgen::rt",
    additional_derives: [PartialEq, Eq, Hash],
    additional_derives_ignore: ["extraction"],
    additional_type_attributes: {
        "lockgate:datastore/types@0.1.0/part": [#[derive(Default)]],
        "lockgate:datastore/types@0.1.0/timestamp": [#[derive(Default, PartialOrd, Ord)]],
        "lockgate:datastore/archive@0.1.0/entry": [#[derive(Default)]],
        "lockgate:datastore/identity@0.1.0/descriptor": [#[derive(Default)]],
        "lockgate:datastore/backup@0.1.0/request": [#[derive(Default)]],
        "lockgate:datastore/backup@0.1.0/plan": [#[derive(Default)]],
        "lockgate:datastore/backup@0.1.0/summary": [#[derive(Default)]],
        "lockgate:datastore/restore@0.1.0/request": [#[derive(Default)]],
        "lockgate:datastore/restore@0.1.0/step": [#[derive(Default)]],
    },
});
