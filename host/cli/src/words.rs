//! Numbers, times and findings as people read them.

use std::time::Duration;

use lockgate_types::{Finding, Name};
use serde_json::{Value, json};

use crate::output;

/// Bytes with a binary unit and three digits, for example `1.50 GiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    // Precision beyond three digits is not shown.
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.decimals$} {}", UNITS.get(unit).unwrap_or(&"PiB"))
}

/// A count with thousands apart, for example `1 234 567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A duration in seconds below a minute, then in minutes and hours.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A time (RFC 3339) to the second, for example `2026-11-22 05:00:00`.
pub fn time(time: impl std::fmt::Display) -> String {
    time.to_string().chars().take(19).collect::<String>().replace('T', " ")
}

/// As the API writes a state or a kind.
pub fn state(state: impl serde::Serialize) -> String {
    match serde_json::to_value(state) {
        Ok(Value::String(text)) => text,
        _ => String::new(),
    }
}

/// "1 part", "2 parts".
pub fn plural(number: u64, word: &str) -> String {
    format!("{} {word}{}", count(number), if number == 1 { "" } else { "s" })
}

/// The first characters of a text, and a mark where there are more.
pub fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// As text, for JSON.
pub fn texts<T: std::fmt::Display>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

/// One line of what a plugin noticed.
pub fn finding(finding: &Finding) -> String {
    format!("{:8}  {}: {}", finding.severity, finding.code, finding.message)
}

/// The same with the source that it is about, for JSON.
pub fn finding_of(source: &Name, finding: &Finding) -> Value {
    json!({
        "source": source,
        "severity": finding.severity,
        "code": finding.code,
        "message": finding.message,
        "attributes": finding.attributes,
    })
}

/// Tells what a plugin noticed while it worked.
pub fn note_findings(findings: &[Finding]) {
    findings.iter().for_each(|noticed| output::note(finding(noticed)));
}

/// Tells which grants a run did not need.
pub fn note_unused(unused: &[lockgate_engine::Granted]) {
    if !unused.is_empty() {
        output::note(format!("granted and not used: {}", texts(unused).join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.50 KiB");
        assert_eq!(bytes(10 << 30), "10.0 GiB");
        assert_eq!(bytes(u64::MAX), "16384 PiB");
        assert_eq!(count(1_234_567), "1 234 567");
        assert_eq!(count(12), "12");
        assert_eq!(duration(Duration::from_millis(1500)), "1.5 s");
        assert_eq!(duration(Duration::from_secs(3725)), "1 h 2 min");
        assert_eq!((cut("äöü", 3), cut("äöü", 2)), ("äöü".to_owned(), "äö…".to_owned()));
        assert_eq!(plural(1, "part"), "1 part");
        assert_eq!(plural(2000, "part"), "2 000 parts");
    }
}
