//! Files of names and passwords. This tells only what to call them: what is not known to be public is sealed in any case.

/// Whether each line that is neither empty nor a comment is of one of these forms:
/// `name:hash...` (htpasswd, `shadow(5)`), `host:port:database:user:password` (`.pgpass`).
pub fn is_password_file(content: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(content) else { return false };
    let mut lines =
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    lines.peek().is_some() && lines.all(|line| is_hashed(line) || is_pgpass(line))
}

fn is_hashed(line: &str) -> bool {
    let Some((name, rest)) = line.split_once(':') else { return false };
    let hash = rest.split(':').next().unwrap_or_default();
    let is_locked = matches!(hash, "*" | "!" | "!!" | "!*") && rest.contains(':');
    let marks = ["$", "!$", "{SHA}", "{SSHA}", "{SHA512}", "{CRYPT}"];
    let is_hash =
        marks.iter().any(|mark| hash.strip_prefix(mark).is_some_and(|rest| rest.len() > 4));
    !name.is_empty() && !name.contains(char::is_whitespace) && (is_hash || is_locked)
}

/// See <https://www.postgresql.org/docs/current/libpq-pgpass.html>: a backslash takes the meaning from what follows.
fn is_pgpass(line: &str) -> bool {
    let mut fields = 1;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                characters.next();
            }
            ':' => fields += 1,
            _ => {}
        }
    }
    let port = line.split(':').nth(1).unwrap_or_default();
    fields == 5 && (port == "*" || port.parse::<u16>().is_ok())
}
