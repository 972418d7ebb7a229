//! Components that no compiler would make, written in the text format of WebAssembly.
//!
//! Core signatures and memory layouts follow the canonical ABI of the component model
//! (<https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md>). Memory from 16 to 8 KiB is the
//! attack's own; what is above 64 KiB is handed out to the host.

use std::path::Path;

use anyhow::{Context as _, Result};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A component of the contract whose functions succeed, but for what an attack puts in their place.
#[derive(Clone, Copy, Default)]
pub struct Guest {
    /// Imports: interface, function, name in the text, signature.
    pub imports: &'static [(&'static str, &'static str, &'static str, &'static str)],
    /// Data segments, tables, functions, `(start ...)`.
    pub items: &'static str,
    /// What `backup.export` and `restore.import` do; the address of the result is what is left on the stack.
    pub body: &'static str,
    /// What `cabi_realloc` does before it gives memory to the host.
    pub realloc: &'static str,
    /// Pages of 64 KiB at the start; 2 when it is 0.
    pub pages: u32,
}

/// Where results are that are all zeros: "ok", empty lists.
const OK: &str = "(i32.const 8192)";
/// Where the descriptor, the plan and the stages are, laid out by `DATA`.
const DESCRIPTOR: &str = "(i32.const 12288)";
const PLAN: &str = "(i32.const 12544)";
const STAGES: &str = "(i32.const 12800)";

/// The descriptor's name is `hostile`, its version 0.1.0; the plan has the part `victim` of kind `text`, the one stage also `bystander`.
const DATA: &str = r#"
    (data (i32.const 12288) "\00\38\00\00\07\00\00\00\40\38\00\00\05\00\00\00")
    (data (i32.const 12544) "\00\00\00\00\00\34\00\00\01\00\00\00")
    (data (i32.const 12800) "\00\00\00\00\80\32\00\00\01\00\00\00")
    (data (i32.const 12928) "\00\34\00\00\02\00\00\00")
    (data (i32.const 13312) "\10\38\00\00\06\00\00\00\20\38\00\00\04\00\00\00")
    (data (i32.const 13368) "\30\38\00\00\09\00\00\00\20\38\00\00\04\00\00\00")
    (data (i32.const 14336) "hostile")
    (data (i32.const 14352) "victim")
    (data (i32.const 14368) "text")
    (data (i32.const 14384) "bystander")
    (data (i32.const 14400) "0.1.0")
"#;

impl Guest {
    /// Encodes the component.
    ///
    /// # Errors
    /// When the text is no module, or no module of the contract.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let text = self.text();
        let mut module = wat::parse_str(&text).with_context(|| text.clone())?;
        let mut resolve = Resolve::default();
        let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let (package, _) = resolve.push_dir(contract)?;
        let world = resolve.select_world(&[package], Some("plugin"))?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, true)?;
        ComponentEncoder::default().module(&module)?.validate(true).encode()
    }

    fn text(&self) -> String {
        let Self { items, body, realloc, .. } = self;
        let imports: String = self
            .imports
            .iter()
            .map(|(interface, function, name, signature)| {
                format!("(import \"lockgate:datastore/{interface}@0.1.0\" \"{function}\" (func {name} {signature}))\n")
            })
            .collect();
        let exports: String = exports(if body.is_empty() { OK } else { body })
            .map(|(name, signature, body)| {
                format!("(func (export \"lockgate:datastore/{name}\") {signature} (local $i i32) (local $h i32) {body})\n")
            })
            .concat();
        let pages = self.pages.max(2);
        format!(
            "(module {imports} (memory (export \"memory\") {pages}) {DATA}
                (global $free (mut i32) (i32.const 65536))
                (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (local $at i32) {realloc}
                    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
                    (global.set $free (i32.add (local.get $at) (local.get 3)))
                    (local.get $at))
                {items} {exports})"
        )
    }
}

/// Functions of the contract: name, signature, body.
fn exports(attack: &str) -> [(&'static str, &'static str, &str); 16] {
    const PART: &str = "(param i32 i32 i32 i32 i32 i64 i32 i64 i32 i32) (result i32)";
    const REQUEST: &str = "(param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)";
    const OUTCOME: &str = "(param i32 i32 i32) (result i32)";
    const BEGIN: &str = "(param i32 i32 i32 i32 i32 i32 i32) (result i32)";
    const NOTHING: &str = "(result i32)";
    [
        ("identity@0.1.0#describe", NOTHING, DESCRIPTOR),
        ("health@0.1.0#check", NOTHING, OK),
        ("backup@0.1.0#begin", BEGIN, PLAN),
        ("backup@0.1.0#join", "(param i32 i32) (result i32)", OK),
        ("backup@0.1.0#release", NOTHING, OK),
        ("backup@0.1.0#export", PART, attack),
        ("backup@0.1.0#end", OUTCOME, OK),
        ("restore@0.1.0#preview", REQUEST, OK),
        ("restore@0.1.0#begin", REQUEST, STAGES),
        ("restore@0.1.0#join", REQUEST, OK),
        ("restore@0.1.0#import", PART, attack),
        ("restore@0.1.0#end", OUTCOME, OK),
        ("restore@0.1.0#fingerprint", PART, OK),
        ("maintenance@0.1.0#enter", NOTHING, OK),
        ("maintenance@0.1.0#leave", NOTHING, OK),
        ("maintenance@0.1.0#act", "(param i32 i32 i32 i32) (result i32)", OK),
    ]
}
