//! Findings about the live folders. Nothing is changed, and nothing needs the identity.

use lockgate_plugin::{Finding, Result, Severity, clock, job};

use crate::config::Config;
use crate::date::shown_date;
use crate::export::noted;
use crate::notes::{Note, Notes};
use crate::place::Place;
use crate::seal::Recipients;
use crate::walk::parts;

const DAY: i64 = 86_400;

/// Looks at all parts.
///
/// # Errors
/// When no folder is granted, or the clock is not.
pub fn check(config: &Config) -> Result<Vec<Finding>> {
    let now = i64::try_from(clock::now()? / 1_000_000_000).unwrap_or(i64::MAX);
    let mut findings = Vec::new();
    if let Err(error) = Recipients::parse(&config.recipients) {
        findings.push(Finding::new(Severity::Critical, "no-recipients", error.message()));
    }
    for part in parts(config)? {
        job::go_on()?;
        match noted(&Place::parse(&part.id)?, config) {
            Ok(notes) => findings.extend(of_part(&part.id, &notes, now, config)),
            Err(error) => {
                let message = format!("{}: {error}", part.id);
                findings.push(Finding::new(Severity::Critical, "unreadable", message));
            }
        }
    }
    Ok(findings)
}

/// What is to be said of one part.
pub fn of_part(id: &str, notes: &Notes, now: i64, config: &Config) -> Vec<Finding> {
    let keys: usize = notes.files.iter().map(|note| note.keys.len()).sum();
    let text = format!("{id}: {} certificates, {keys} readable private keys", notes.certificates);
    let mut findings = vec![Finding::new(Severity::Ok, "readable", text)];
    for note in &notes.files {
        findings.extend(expiry(note, now, config));
        findings.extend(exposure(note));
    }
    for (key, certificate) in notes.strangers() {
        let text = format!("{} is not the key of {}", key.path, certificate.path);
        findings.push(
            Finding::new(Severity::Warning, "key-mismatch", text).with_attribute("path", &key.path),
        );
    }
    if notes.passed_over > 0 {
        let text = format!(
            "{id}: {} more files with keys or certificates were not looked at",
            notes.passed_over
        );
        findings.push(Finding::new(Severity::Notice, "too-many", text));
    }
    findings
}

fn expiry(note: &Note, now: i64, config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(first) = &note.first {
        let (path, subject, date) = (&note.path, &first.subject, shown_date(first.expires));
        let days = (first.expires - now).div_euclid(DAY);
        let found = if first.expires <= now {
            Some((Severity::Critical, "expired", format!("{path} expired on {date}: {subject}")))
        } else if days < i64::from(config.warn_days) {
            let text = format!("{path} expires in {days} days, on {date}: {subject}");
            Some((Severity::Warning, "expires-soon", text))
        } else if first.begins > now {
            let text =
                format!("{path} is not valid before {}: {subject}", shown_date(first.begins));
            Some((Severity::Warning, "not-yet-valid", text))
        } else {
            None
        };
        findings.extend(found.map(|(severity, code, text)| {
            Finding::new(severity, code, text)
                .with_attribute("path", path)
                .with_attribute("not-after", date)
                .with_attribute("subject", subject)
        }));
    }
    if let Some(date) = note.list_expires.filter(|date| *date <= now) {
        let text =
            format!("{}: a revocation list was to be renewed by {}", note.path, shown_date(date));
        findings.push(
            Finding::new(Severity::Warning, "list-expired", text)
                .with_attribute("path", &note.path),
        );
    }
    findings
}

fn exposure(note: &Note) -> Option<Finding> {
    (note.is_open && note.what.is_secret()).then(|| {
        let text =
            format!("{} is secret, and everybody on its machine may read or write it", note.path);
        Finding::new(Severity::Warning, "exposed", text).with_attribute("path", &note.path)
    })
}

#[cfg(test)]
mod tests {
    use lockgate_plugin::{Kind, Metadata};

    use super::*;
    use crate::inspect::inspect;

    fn notes(files: &[(&str, &str, u32)]) -> Notes {
        let mut notes = Notes::default();
        for (path, content, mode) in files {
            let found = inspect(content.as_bytes());
            notes.add(
                "tls",
                path.as_bytes(),
                &Metadata::new(Kind::Regular, *mode),
                found.what,
                found,
            );
        }
        notes
    }

    /// A key and its certificate, which is valid through January 2026.
    fn pair() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["www".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 2, 1);
        (key.serialize_pem(), params.self_signed(&key).unwrap().pem())
    }

    /// Severity and code of everything but that a part can be read.
    fn codes(notes: &Notes, now: i64) -> Vec<(Severity, String)> {
        let findings = of_part("tls/@files", notes, now, &Config::default());
        let noteworthy = findings.into_iter().filter(|finding| finding.code != "readable");
        noteworthy.map(|finding| (finding.severity, finding.code)).collect()
    }

    const END: i64 = 1_769_904_000;

    #[test]
    fn certificates_are_watched_until_their_end() {
        let (_, certificate) = pair();
        let notes = notes(&[("www.crt", &certificate, 0o644)]);
        let code = |now| codes(&notes, now).pop();
        assert_eq!(code(END), Some((Severity::Critical, "expired".into())));
        assert_eq!(code(END - 1), Some((Severity::Warning, "expires-soon".into())));
        assert_eq!(code(END - 30 * DAY + 1), Some((Severity::Warning, "expires-soon".into())));
        assert_eq!(code(END - 30 * DAY), None);
        assert_eq!(code(END - 60 * DAY), Some((Severity::Warning, "not-yet-valid".into())));
    }

    #[test]
    fn a_key_beside_the_certificate_of_another_is_told() {
        let ((key, certificate), (_, other)) = (pair(), pair());
        let now = END - 31 * DAY;
        assert_eq!(
            codes(&notes(&[("www.key", &key, 0o600), ("www.crt", &certificate, 0o644)]), now),
            []
        );
        let wrong = notes(&[("www.key", &key, 0o600), ("www.crt", &other, 0o644)]);
        assert_eq!(codes(&wrong, now), [(Severity::Warning, "key-mismatch".to_owned())]);
        let elsewhere = notes(&[("a/www.key", &key, 0o600), ("b/www.crt", &other, 0o644)]);
        assert_eq!(codes(&elsewhere, now), []);
    }

    #[test]
    fn secrets_that_everybody_may_read_are_told() {
        let (key, certificate) = pair();
        let now = END - 31 * DAY;
        let files = [
            ("a.key", key.as_str(), 0o644),
            ("b.key", &key, 0o640),
            ("c.crt", &certificate, 0o666),
        ];
        assert_eq!(codes(&notes(&files), now), [(Severity::Warning, "exposed".to_owned())]);
    }
}
