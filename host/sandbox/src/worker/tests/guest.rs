//! Small plugins, written as core modules in text form.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The exports of the contract with the types of their parameters as the canonical ABI flattens them. All but those that
/// return nothing return the address of the result.
const EXPORTS: [(&str, &str); 16] = [
    ("identity#describe", ""),
    ("health#check", ""),
    ("backup#begin", "i32 i32 i32 i32 i32 i32 i32"),
    ("backup#join", "i32 i32"),
    ("backup#release", ""),
    ("backup#export", "i32 i32 i32 i32 i32 i64 i32 i64 i32 i32"),
    ("backup#end", "i32 i32 i32"),
    ("restore#preview", "i32 i32 i32 i32 i32 i32 i32 i32"),
    ("restore#begin", "i32 i32 i32 i32 i32 i32 i32 i32"),
    ("restore#join", "i32 i32 i32 i32 i32 i32 i32 i32"),
    ("restore#import", "i32 i32 i32 i32 i32 i64 i32 i64 i32 i32"),
    ("restore#end", "i32 i32 i32"),
    ("restore#fingerprint", "i32 i32 i32 i32 i32 i64 i32 i64 i32 i32"),
    ("maintenance#enter", ""),
    ("maintenance#leave", ""),
    ("maintenance#act", "i32 i32 i32 i32"),
];

/// A plugin under construction. Memory below 64 KiB is the text's; all of it is zero, which as a result means success.
pub struct Guest {
    version: &'static str,
    imports: String,
    bodies: Vec<(&'static str, String)>,
    rest: String,
    uses_wasi: bool,
}

/// As much of WASI as is tested (<https://github.com/WebAssembly/WASI>, version 0.2), one package each.
const WASI: [(&str, &str); 3] = [
    (
        "cli",
        "package wasi:cli@0.2.3;
        interface environment {
            get-environment: func() -> list<tuple<string, string>>;
            get-arguments: func() -> list<string>;
        }",
    ),
    (
        "io",
        "package wasi:io@0.2.3;
        interface poll { resource pollable { block: func(); } }",
    ),
    (
        "clocks",
        "package wasi:clocks@0.2.3;
        interface monotonic-clock {
            use wasi:io/poll@0.2.3.{pollable};
            subscribe-duration: func(when: u64) -> pollable;
        }",
    ),
];

impl Guest {
    pub fn new() -> Self {
        Self {
            version: "0.1.0",
            imports: String::new(),
            bodies: Vec::new(),
            rest: String::new(),
            uses_wasi: false,
        }
    }

    pub fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    /// Imports a function as `$name`.
    pub fn import(mut self, interface: &str, function: &str, name: &str, parameters: &str) -> Self {
        let version = self.version;
        self.imports += &format!(
            "(import \"lockgate:datastore/{interface}@{version}\" \"{function}\" (func {name} {parameters}))\n"
        );
        self
    }

    /// Imports WASI's functions `$environment`, `$arguments`, `$timer` and `$block`.
    pub fn wasi(mut self) -> Self {
        self.uses_wasi = true;
        for (function, name) in
            [("get-environment", "$environment"), ("get-arguments", "$arguments")]
        {
            self.imports += &format!(
                "(import \"wasi:cli/environment@0.2.3\" \"{function}\" (func {name} (param i32)))\n"
            );
        }
        self.imports += r#"
            (import "wasi:clocks/monotonic-clock@0.2.3" "subscribe-duration"
                (func $timer (param i64) (result i32)))
            (import "wasi:io/poll@0.2.3" "[method]pollable.block" (func $block (param i32)))"#;
        self
    }

    /// What an export does; those that are not given trap.
    pub fn body(mut self, export: &'static str, body: impl Into<String>) -> Self {
        self.bodies.push((export, body.into()));
        self
    }

    /// Anything else in the module: data, globals, functions.
    pub fn with(mut self, text: &str) -> Self {
        self.rest += text;
        self
    }

    /// The component in binary form.
    pub fn build(&self) -> Vec<u8> {
        let mut text = format!("(module $guest\n{}", self.imports);
        text += "(memory (export \"memory\") 2)\n(global $free (mut i32) (i32.const 65536))\n";
        text += &self.rest;
        text += ALLOCATE;
        for (export, parameters) in EXPORTS {
            let body = self.bodies.iter().find(|(name, _)| *name == export);
            let body = body.map_or("unreachable", |(_, body)| body);
            let (interface, function) = export.split_once('#').unwrap();
            let version = self.version;
            text += &format!(
                "(func $guest_{interface}_{function} (export \"lockgate:datastore/{interface}@{version}#{function}\") \
                 (param {parameters}) (result i32) {body})\n"
            );
        }
        text += ")";
        component(&text, self.version, self.uses_wasi)
    }
}

/// Memory is never given back; it grows by what is asked for.
const ALLOCATE: &str = r#"
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $start i32)
  (local.set $start (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
  (global.set $free (i32.add (local.get $start) (local.get 3)))
  (if (i32.gt_u (global.get $free) (i32.mul (memory.size) (i32.const 65536)))
    (then (if (i32.eq (i32.const -1) (memory.grow
      (i32.div_u (i32.add (local.get 3) (i32.const 131071)) (i32.const 65536)))) (then unreachable))))
  (local.get $start))
"#;

fn component(text: &str, version: &str, uses_wasi: bool) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
    let contract = ["types.wit", "host.wit", "plugin.wit"].map(|name| {
        let text = std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
        (name, text.replace("@0.1.0", &format!("@{version}")))
    });
    let mut resolve = Resolve::default();
    let target = tempfile::tempdir().unwrap();
    for (name, text) in &contract {
        std::fs::write(target.path().join(name), text).unwrap();
    }
    let mut name = "plugin";
    if uses_wasi {
        for (package, text) in WASI {
            let dependency = target.path().join("deps").join(package);
            std::fs::create_dir_all(&dependency).unwrap();
            std::fs::write(dependency.join("package.wit"), text).unwrap();
        }
        let world = format!(
            "package lockgate:datastore@{version};
            world on-wasi {{
                include plugin;
                import wasi:cli/environment@0.2.3;
                import wasi:io/poll@0.2.3;
                import wasi:clocks/monotonic-clock@0.2.3;
            }}"
        );
        std::fs::write(target.path().join("on-wasi.wit"), world).unwrap();
        name = "on-wasi";
    }
    let (package, _) = resolve.push_dir(target.path()).unwrap();
    let world = resolve.select_world(&[package], Some(name)).unwrap();
    let mut module = wat::parse_str(text).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}
