//! Components that are none, that are not of this contract, or that break the component model's own rules: each is refused
//! or stopped with a clear error, in a backup and in a restore.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::{command, random::Random};
use lockgate_trust::{DECLARATION_SECTION, check_preamble, embed_declaration};

use crate::case::{End, end};
use crate::guest::Guest;
use crate::stage::{self, Stage};
use crate::trial::{self, Direction};

/// What a file is, and what must come of it.
struct Component {
    name: &'static str,
    bytes: fn() -> Result<Vec<u8>>,
    end: End,
}

const fn component(name: &'static str, bytes: fn() -> Result<Vec<u8>>, end: End) -> Component {
    Component { name, bytes, end }
}

/// What compiling the largest of them may take.
const COMPILE_TIME: Duration = Duration::from_secs(60);
const COMPILE_BYTES: u64 = 384 << 20;

/// What they say of themselves, so that nothing but their own fault stops them.
const DECLARATION: &str =
    "name = \"hostile\"\nversion = \"0.1.0\"\nsummary = \"Odd; for tests only\"\n";

/// What is a component and no plugin of this contract.
const UNFIT: i32 = 19;
const NOT_LOCKED: End = end(23, &["it is not in the lock file"]);
const NOT_A_COMPONENT: End = end(2, &["not a WebAssembly component"]);
const LOG: (&str, &str, &str, &str) = ("job", "log", "$log", "(param i32 i32 i32 i32 i32)");
const CREATE: (&str, &str, &str, &str) = ("archive", "create", "$create", "(param i32 i32)");
const FINISH: (&str, &str, &str, &str) =
    ("archive", "[method]writer.finish", "$finish", "(param i32 i32)");
const DROP: (&str, &str, &str, &str) = ("archive", "[resource-drop]writer", "$drop", "(param i32)");
const CONFIG: (&str, &str, &str, &str) = ("job", "config", "$config", "(param i32)");
const CANCELLED: (&str, &str, &str, &str) = ("job", "is-cancelled", "$cancelled", "(result i32)");

const ALL: [Component; 34] = [
    component("empty", || Ok(Vec::new()), NOT_A_COMPONENT),
    component("random", || Ok(Random::new(7).bytes(4096)), NOT_A_COMPONENT),
    component("script", || Ok(b"#!/bin/sh\nid\n".to_vec()), NOT_A_COMPONENT),
    component("zeros", || Ok(vec![0; 100 << 20]), NOT_A_COMPONENT),
    component(
        "too-large",
        || Ok([&b"\0asm\x0d\0\x01\0"[..], &vec![0; 129 << 20]].concat()),
        end(2, &["more than the 134217728 allowed"]),
    ),
    component("module", || Ok(wat::parse_str("(module)")?), end(2, &["a core module"])),
    component("version", || Ok(b"\0asm\x0e\0\x01\0".to_vec()), end(2, &["unknown version"])),
    component("cut", || Ok(good()?[..5000].to_vec()), end(2, &["damaged"])),
    component(
        "wrong-types",
        || text("(component (core module (func (result i32))))"),
        end(19, &["the component does not compile"]),
    ),
    component("no-exports", || text("(component)"), end(19, &["does not export identity"])),
    component("other-contract", || renamed("0.1.0", "7.1.0"), end(19, &["7.1.0", "0.1.0"])),
    component("next-contract", || renamed("0.1.0", "0.2.0"), end(19, &["0.2.0", "0.1.0"])),
    component(
        "foreign-import",
        || text(r#"(component (import "evil:corp/backdoor@1.0.0" (instance)))"#),
        end(19, &["evil:corp/backdoor@1.0.0"]),
    ),
    component(
        "unknown-interface",
        || text(r#"(component (import "lockgate:datastore/keys@0.1.0" (instance)))"#),
        end(19, &["lockgate:datastore/keys@0.1.0"]),
    ),
    component(
        "nameless-import",
        || text(r#"(component (import "run" (func)))"#),
        end(19, &["it imports \"run\""]),
    ),
    component(
        "later-wasi",
        || text(r#"(component (import "wasi:sockets/tcp@0.3.0" (instance)))"#),
        end(19, &["wasi:sockets/tcp@0.3.0"]),
    ),
    component(
        "start-loop",
        || items("(func $s (loop (br 0))) (start $s)"),
        end(21, &["without calling the host"]),
    ),
    component(
        "start-trap",
        || items("(func $s unreachable) (start $s)"),
        end(21, &["unreachable"]),
    ),
    component(
        "first-memory",
        || Guest { pages: 2000, ..Guest::default() }.encode(),
        end(21, &["67108864 bytes of memory"]),
    ),
    component("first-table", || items("(table 200000 funcref)"), end(19, &["table"])),
    component(
        "table-growth",
        || {
            let body = "(loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable";
            Guest { items: "(table $t 1 funcref)", body, ..Guest::default() }.encode()
        },
        end(21, &["unreachable"]),
    ),
    component("many-functions", many_functions, end(21, &["unreachable"])),
    component("deep-blocks", deep_blocks, end(19, &["does not export identity"])),
    component(
        "shared-memory",
        || text("(component (core module (memory 1 1 shared)))"),
        end(19, &["the component does not compile", "shared"]),
    ),
    component(
        "wide-memory",
        || text("(component (core module (memory i64 1)))"),
        end(19, &["does not compile"]),
    ),
    component(
        "list-outside",
        || log("(i32.const 0) (i32.const 1073741824)"),
        end(21, &["crashed"]),
    ),
    component("list-wraps", || log("(i32.const -16) (i32.const 1024)"), end(21, &["crashed"])),
    component("not-utf-8", || log("(i32.const 100) (i32.const 4)"), end(21, &["crashed", "utf-8"])),
    component("result-outside", || body(&[], "(i32.const 0x7ffffff0)"), end(21, &["crashed"])),
    component(
        "result-unaligned",
        || body(&[], "(i32.const 8193)"),
        end(21, &["crashed", "aligned"]),
    ),
    component(
        "made-up-handle",
        || body(&[FINISH], "(call $finish (i32.const 77) (i32.const 256)) (i32.const 8192)"),
        end(21, &["crashed", "handle"]),
    ),
    component("dropped-twice", dropped_twice, end(21, &["crashed", "handle"])),
    component("used-after-drop", used_after_drop, end(21, &["crashed", "handle"])),
    component("reentry", reentry, end(21, &["crashed", "cannot leave"])),
];

fn good() -> Result<Vec<u8>> {
    let plugin = command::plugins()?.with_file_name("plugins-hostile").join("hostile.wasm");
    Ok(fs::read(plugin)?)
}

fn text(text: &str) -> Result<Vec<u8>> {
    Ok(wat::parse_str(text)?)
}

fn items(items: &'static str) -> Result<Vec<u8>> {
    Guest { items, ..Guest::default() }.encode()
}

fn body(
    imports: &'static [(&'static str, &'static str, &'static str, &'static str)],
    body: &'static str,
) -> Result<Vec<u8>> {
    Guest { imports, body, ..Guest::default() }.encode()
}

/// Logs a text that is at an address and has a length.
fn log(place: &str) -> Result<Vec<u8>> {
    let body =
        format!("(call $log (i32.const 2) {place} (i32.const 0) (i32.const 0)) (i32.const 8192)");
    let items = r#"(data (i32.const 100) "\ff\fe\80\c0")"#;
    Guest { imports: &[LOG], items, body: body.leak(), ..Guest::default() }.encode()
}

/// Every version that the component names, in its imports, exports and types.
fn renamed(from: &str, to: &str) -> Result<Vec<u8>> {
    let mut bytes = good()?;
    let (from, to) = (format!("@{from}"), format!("@{to}"));
    let places: Vec<usize> = bytes
        .windows(from.len())
        .enumerate()
        .filter_map(|(place, window)| (window == from.as_bytes()).then_some(place))
        .collect();
    ensure!(!places.is_empty(), "the component names no version");
    for place in places {
        bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
    }
    Ok(bytes)
}

fn many_functions() -> Result<Vec<u8>> {
    let functions = "(func (result i32) (i32.add (i32.const 1) (i32.const 2)))".repeat(50_000);
    Guest { items: functions.leak(), body: "unreachable", ..Guest::default() }.encode()
}

/// Deeper than any compiler nests; what it costs grows with the square of the depth.
fn deep_blocks() -> Result<Vec<u8>> {
    // By hand: the text format's own parser would not go so deep.
    let depth = 5_000;
    let code = [&[0][..], &[2, 0x40].repeat(depth), &[0x0b].repeat(depth + 1)].concat();
    let section = |id: u8, body: &[u8]| [&[id][..], &leb(body.len()), body].concat();
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 0, 0]),
        section(3, &[1, 0]),
        section(10, &[&[1][..], &leb(code.len()), &code].concat()),
    ]
    .concat();
    Ok([b"\0asm\x0d\0\x01\0".to_vec(), section(1, &module)].concat())
}

/// An unsigned number as the binary format has it (LEB128).
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// Creates the entry `data`, whose record is at 1024, and leaves its handle in `$h`. Works in an export; in an import the call is
/// refused, and handle 0 is as wrong as one that was dropped.
#[rustfmt::skip]
const CREATED: &str = "(call $create (i32.const 1024) (i32.const 256)) (local.set $h (i32.load (i32.const 260)))";
const ENTRY: &str =
    r#"(data (i32.const 1024) "\80\04\00\00\04\00\00\00") (data (i32.const 1152) "data")"#;

fn dropped_twice() -> Result<Vec<u8>> {
    let body = format!(
        "{CREATED} (call $drop (local.get $h)) (call $drop (local.get $h)) (i32.const 8192)"
    );
    Guest { imports: &[CREATE, DROP], items: ENTRY, body: body.leak(), ..Guest::default() }.encode()
}

fn used_after_drop() -> Result<Vec<u8>> {
    let body = format!(
        "{CREATED} (call $drop (local.get $h)) (call $finish (local.get $h) (i32.const 256)) (i32.const 8192)"
    );
    let imports = &[CREATE, DROP, FINISH];
    Guest { imports, items: ENTRY, body: body.leak(), ..Guest::default() }.encode()
}

/// Calls the host while the host calls for memory.
fn reentry() -> Result<Vec<u8>> {
    let body = "(call $config (i32.const 256)) (i32.const 8192)";
    let realloc = "(drop (call $cancelled))";
    Guest { imports: &[CONFIG, CANCELLED], body, realloc, ..Guest::default() }.encode()
}

#[test]
fn what_is_no_plugin_is_refused_and_what_breaks_the_rules_is_stopped() -> Result<()> {
    let _turn = crate::lock(&crate::TURN);
    let mut stage = Stage::new(stage::servers()?)?;
    let mut failures = Vec::new();
    for direction in [Direction::Backup, Direction::Restore] {
        let usual = trial::usual(&stage, direction)?;
        for component in &ALL {
            let path = stage.site.path(&format!("{}.wasm", component.name));
            fs::write(&path, declared((component.bytes)().context(component.name)?))?;
            if let Err(error) = attempt(&mut stage, &path, component, direction, &usual) {
                failures.push(format!("{direction:?} {}: {error:#}", component.name));
            }
            fs::remove_file(&path)?;
        }
    }
    stage.site.lockgate.ok(&["check", "--read-data"])?;
    ensure!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    Ok(())
}

/// With a declaration, where it is a component and has none.
fn declared(bytes: Vec<u8>) -> Vec<u8> {
    let name = DECLARATION_SECTION.as_bytes();
    let has_one = bytes.windows(name.len()).any(|window| window == name);
    if has_one || check_preamble(&bytes).is_err() {
        return bytes;
    }
    embed_declaration(bytes, DECLARATION)
}

fn attempt(
    stage: &mut Stage,
    path: &Path,
    component: &Component,
    direction: Direction,
    usual: &crate::measure::Measured,
) -> Result<()> {
    let lockgate = stage.component(path, 15_000)?;
    let mut end = component.end;
    // What is found out before a plugin is accepted keeps it from ever being run.
    let locked = lockgate.run(&["plugin", "lock"])?;
    if locked.code != Some(0) {
        let line = locked.error_line();
        let is_named = end.says.iter().all(|word| line.contains(word));
        let is_foreign = line.contains("no interface of the contract");
        ensure!(is_named || is_foreign, "it was not accepted because of {line}");
        if end.code == UNFIT {
            end = NOT_LOCKED;
        }
    }
    let measured = trial::run(stage, &lockgate, direction, &end)?;
    println!(
        "{direction:?} {}: {:.1} s, host {} MiB, worker {} MiB: {}",
        component.name,
        measured.took.as_secs_f64(),
        measured.host_bytes >> 20,
        measured.worker_bytes >> 20,
        measured.outcome.error_line(),
    );
    // Compiling has a deadline of its own, and takes memory in proportion to the component.
    trial::review(&measured, usual, &end, COMPILE_TIME, COMPILE_BYTES)?;
    stage.review(0)
}
