//! From wasmtime's errors to the reason that the operator reads.

use wasmtime::{Trap, WasmBacktrace};

use super::fault::LaneLost;
use super::state::State;
use crate::limits::TRAP_TEXT_BYTES_MAX;
use crate::protocol::Stop;

/// Functions of a backtrace that are named.
const FUNCTIONS_MAX: usize = 6;

/// Why the plugin stopped; none when the host is gone and there is nobody to tell.
pub fn reason(error: &wasmtime::Error, state: &mut State) -> Option<Stop> {
    if error.is::<LaneLost>() {
        return None;
    }
    if let Some(limit) = state.limiter.refused_memory() {
        return Some(Stop::Memory(limit));
    }
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::Interrupt) {
        return Some(Stop::Busy);
    }
    let mut text = match (state.call.panic.take(), trap) {
        (Some(message), _) => message,
        (None, Some(trap)) => trap.to_string(),
        (None, None) => error.root_cause().to_string(),
    };
    let functions = functions(error);
    if !functions.is_empty() {
        text = format!("{text} (in {functions})");
    }
    Some(Stop::Trap(cut(text)))
}

/// The innermost functions that have names, the innermost first.
fn functions(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let names: Vec<String> = backtrace
        .frames()
        .iter()
        .filter_map(|frame| frame.func_name())
        .map(rustc_demangled)
        .take(FUNCTIONS_MAX)
        .collect();
    names.join(" < ")
}

/// `core::panicking::panic_fmt` of `_ZN4core9panicking9panic_fmt17h0123456789abcdefE`, roughly; other names as they are.
fn rustc_demangled(name: &str) -> String {
    let Some(mut rest) = name.strip_prefix("_ZN") else { return name.to_owned() };
    let mut words = Vec::new();
    while let Some(digits) = rest.find(|it: char| !it.is_ascii_digit()).filter(|end| *end > 0) {
        let (length, tail) = rest.split_at(digits);
        let Some((word, tail)) = length.parse().ok().and_then(|it| tail.split_at_checked(it))
        else {
            break;
        };
        words.push(word);
        rest = tail;
    }
    if words.last().is_some_and(|word| word.len() == 17 && word.starts_with('h')) {
        words.pop();
    }
    if words.is_empty() { name.to_owned() } else { words.join("::") }
}

fn cut(mut text: String) -> String {
    if text.len() > TRAP_TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TRAP_TEXT_BYTES_MAX));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mangled_names_become_readable_and_others_stay() {
        let mangled = "_ZN4core9panicking9panic_fmt17h0123456789abcdefE";
        assert_eq!(rustc_demangled(mangled), "core::panicking::panic_fmt");
        for name in ["main", "_ZN", "_ZN99x", "_ZN9999999999999999999999x"] {
            assert_eq!(rustc_demangled(name), name);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text = cut("é".repeat(TRAP_TEXT_BYTES_MAX));
        assert!(text.len() <= TRAP_TEXT_BYTES_MAX + '…'.len_utf8());
    }
}
