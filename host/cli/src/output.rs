//! Results on standard output, everything else on standard error.

use std::io::{self, IsTerminal as _, Write as _};

use lockgate_engine::Error;
use lockgate_types::{is_unfit, shown};
use serde::Serialize;
use serde_json::{Value, json};

use crate::arguments::Global;
use crate::exit;

/// Prints one line of a result. Whatever it is made of, a terminal sees one line of text.
pub fn line(text: impl AsRef<str>) {
    // A reader that went away (`| head`) is no error.
    writeln!(io::stdout().lock(), "{}", shown(text.as_ref(), usize::MAX)).ok();
}

/// Prints one line for the person who watches.
pub fn note(text: impl AsRef<str>) {
    writeln!(io::stderr().lock(), "{}", shown(text.as_ref(), usize::MAX)).ok();
}

/// Prints one JSON message.
pub fn message(message_type: &str, body: impl Serialize) {
    let mut object = match serde_json::to_value(body) {
        Ok(Value::Object(object)) => object,
        Ok(other) => serde_json::Map::from_iter([("value".to_owned(), other)]),
        Err(error) => serde_json::Map::from_iter([("error".to_owned(), error.to_string().into())]),
    };
    object.insert("message_type".to_owned(), message_type.into());
    line(escaped(&Value::Object(object).to_string()));
}

/// Prints JSON for people, indented.
pub fn indented(value: &Value) {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.lines().for_each(|text| line(escaped(text)));
}

/// JSON may hold characters that drive a terminal; in its strings, where alone they can be, they have an escaped form
/// (RFC 8259, section 7).
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if is_unfit(character) {
            let mut units = [0; 2];
            text.extend(
                character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")),
            );
        } else {
            text.push(character);
        }
    }
    text
}

/// Prints an error as one line, with the next step behind it.
pub fn print_error(error: &Error, json: bool) {
    if json {
        let code = exit::code(error).code;
        message(
            "exit_error",
            json!({ "code": code, "message": error.to_string(), "hint": error.hint() }),
        );
        return;
    }
    match error.hint() {
        Some(hint) => note(format!("lockgate: {error} (hint: {hint})")),
        None => note(format!("lockgate: {error}")),
    }
}

/// Sends the host's own logs to standard error, as much as the arguments or `LOCKGATE_LOG` ask for.
pub fn start_logging(global: &Global) {
    let level = match global.verbose {
        0 => "error",
        1 => "lockgate=info,warn",
        2 => "lockgate=debug,info",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("LOCKGATE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .without_time()
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_cannot_drive_a_terminal_and_says_the_same() {
        let value = json!({ "name": "\u{9b}2J\u{202e}\u{1b}[31m\n", "plain": "größe" });
        let text = escaped(&value.to_string());
        assert!(!text.contains(is_unfit), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
