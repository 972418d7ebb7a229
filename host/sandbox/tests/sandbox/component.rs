//! Plugins for tests, written as the bodies of a few functions in the text format of WebAssembly.
//!
//! Core signatures and memory layouts follow the canonical ABI of the component model
//! (<https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md>). A result that is all zeros means "ok"
//! with empty lists and no options. Memory below 64 KiB is the test's own and zero in the beginning; memory above is handed out to
//! the host for what it returns.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Version of the contract in the texts below.
const CONTRACT: &str = "0.1.0";

/// The functions that a test plugin fills in; the others return "ok".
#[derive(Clone, Copy, Default)]
pub struct Bodies<'a> {
    /// Data segments and functions of the test's own.
    pub items: &'a str,
    /// Of `health.check`, which returns the address of its result.
    pub check: &'a str,
    /// Of `backup.export`, which returns the address of its result.
    pub export: &'a str,
    /// Of `restore.import`, which returns the address of its result.
    pub import: &'a str,
}

/// Builds a component for the contract as it is now.
pub fn component(bodies: Bodies<'_>) -> Vec<u8> {
    component_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit"), CONTRACT, bodies)
}

/// Builds a component for the contract in a folder, which has this version.
pub fn component_of(contract: &Path, version: &str, bodies: Bodies<'_>) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(contract).unwrap();
    // An older contract lacks the interfaces that came later.
    let interfaces = &resolve.packages[package].interfaces;
    let is_there = |line: &&str| {
        let rest = line.split_once("\"lockgate:datastore/").map(|(_, rest)| rest);
        rest.and_then(|rest| rest.split('@').next())
            .is_none_or(|name| interfaces.contains_key(name))
    };
    let imports: Vec<&str> = IMPORTS.lines().filter(is_there).collect();
    let text = text(bodies, &imports.join("\n"));
    let text = text.replace(&format!("@{CONTRACT}"), &format!("@{version}"));
    let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let world = resolve.select_world(&[package], Some("plugin")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, true).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

fn text(bodies: Bodies<'_>, imports: &str) -> String {
    let or_ok = |body: &str| match body {
        "" => "(i32.const 8192)".to_owned(),
        body => body.to_owned(),
    };
    let package = "lockgate:datastore";
    let part = "(param i32 i32 i32 i32 i32 i64 i32 i64 i32 i32) (result i32)";
    let request = "(param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)";
    let functions = [
        ("identity", "describe", "(result i32)", String::new()),
        ("health", "check", "(result i32)", or_ok(bodies.check)),
        ("backup", "begin", "(param i32 i32 i32 i32 i32 i32 i32) (result i32)", String::new()),
        ("backup", "join", "(param i32 i32) (result i32)", String::new()),
        ("backup", "release", "(result i32)", String::new()),
        ("backup", "export", part, or_ok(bodies.export)),
        ("backup", "end", "(param i32 i32 i32) (result i32)", String::new()),
        ("restore", "preview", request, String::new()),
        ("restore", "begin", request, String::new()),
        ("restore", "join", request, String::new()),
        ("restore", "import", part, or_ok(bodies.import)),
        ("restore", "end", "(param i32 i32 i32) (result i32)", String::new()),
        ("restore", "fingerprint", part, String::new()),
        ("maintenance", "enter", "(result i32)", String::new()),
        ("maintenance", "leave", "(result i32)", String::new()),
        ("maintenance", "act", "(param i32 i32 i32 i32) (result i32)", String::new()),
    ];
    let exports: String = functions
        .into_iter()
        .map(|(interface, name, signature, body)| {
            let body = or_ok(&body);
            format!("(func (export \"{package}/{interface}@0.1.0#{name}\") {signature} (local $i i32) (local $h i32) {body})\n")
        })
        .collect();
    let items = bodies.items;
    format!(
        r#"(module
            {imports}
            (memory (export "memory") 2)
            (global $free (mut i32) (i32.const 65536))
            (func $allocate (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
                (global.set $free (i32.add (local.get $at) (local.get 3)))
                (block $fits
                    (br_if $fits (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
                    (drop (memory.grow (i32.add (i32.div_u (local.get 3) (i32.const 65536)) (i32.const 1)))))
                (local.get $at))
            ;; Writes a text to the log.
            (func $say (param i32 i32)
                (call $log (i32.const 2) (local.get 0) (local.get 1) (i32.const 0) (i32.const 0)))
            {items}
            {exports}
        )"#
    )
}

/// Everything that the tests' plugins import, used or not.
const IMPORTS: &str = r#"
    (import "lockgate:datastore/job@0.1.0" "log" (func $log (param i32 i32 i32 i32 i32)))
    (import "lockgate:datastore/clock@0.1.0" "now" (func $now (param i32)))
    (import "lockgate:datastore/clock@0.1.0" "sleep" (func $sleep (param i32 i32)))
    (import "lockgate:datastore/random@0.1.0" "bytes" (func $random (param i32 i32)))
    (import "lockgate:datastore/files@0.1.0" "open" (func $open-file (param i32 i32 i32 i32 i32)))
    (import "lockgate:datastore/file-locks@0.1.0" "acquire" (func $lock (param i32 i64 i64 i32 i32 i32)))
    (import "lockgate:datastore/credentials@0.1.0" "open" (func $open-credential (param i32 i32 i32)))
    (import "lockgate:datastore/credentials-reveal@0.1.0" "reveal" (func $reveal (param i32 i32)))
    (import "lockgate:datastore/net@0.1.0" "connect" (func $connect (param i32 i32 i32)))
    (import "lockgate:datastore/net@0.1.0" "[method]connection.read" (func $receive (param i32 i32 i32)))
    (import "lockgate:datastore/net@0.1.0" "[method]connection.write" (func $send (param i32 i32 i32 i32)))
    (import "lockgate:datastore/net@0.1.0" "[method]connection.start-tls" (func $start-tls (param i32 i32)))
    (import "lockgate:datastore/net@0.1.0" "[method]connection.close-write" (func $close-write (param i32 i32)))
    (import "lockgate:datastore/http@0.1.0" "start" (func $ask (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32)))
    (import "lockgate:datastore/http@0.1.0" "[method]exchange.write" (func $send-body (param i32 i32 i32 i32)))
    (import "lockgate:datastore/http@0.1.0" "[method]exchange.finish" (func $answer (param i32 i32)))
    (import "lockgate:datastore/http@0.1.0" "[method]exchange.read" (func $receive-body (param i32 i32 i32)))
    (import "lockgate:datastore/http@0.1.0" "[resource-drop]exchange" (func $drop-exchange (param i32)))
    (import "lockgate:datastore/archive@0.1.0" "create" (func $create (param i32 i32)))
    (import "lockgate:datastore/archive@0.1.0" "open" (func $open-entry (param i32 i32 i32)))
    (import "lockgate:datastore/archive@0.1.0" "[method]reader.read" (func $read (param i32 i32 i32)))
    (import "lockgate:datastore/archive@0.1.0" "[method]writer.write" (func $write (param i32 i32 i32 i32)))
    (import "lockgate:datastore/archive@0.1.0" "[method]writer.finish" (func $finish (param i32 i32)))
    (import "lockgate:datastore/archive@0.1.0" "[resource-drop]writer" (func $drop-writer (param i32)))
"#;
