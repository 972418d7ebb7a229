use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use lockgate_trust::sha256;

use super::*;

struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/audit.jsonl");
        Self { _folder: folder, path }
    }

    fn audit(&self) -> Arc<Audit> {
        Audit::open(AuditFile { path: self.path.clone(), is_required: true }).unwrap()
    }

    /// Three runs, one of which fails.
    fn with_runs() -> Self {
        let place = Self::new();
        let audit = place.audit();
        audit.record("backup", "shop", |_| Ok(())).unwrap();
        let refused = audit.record("backup", "shop", |run| {
            run.refused("worker 1", true, "connect to \"x\":\nnot granted");
            run.secret_shown("worker 1", "account");
            Err::<(), _>(Error::new(ErrorKind::Denied, "part a: denied"))
        });
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Denied);
        audit.record("restore", "shop", |_| Ok(())).unwrap();
        place
    }

    fn entries(&self) -> std::result::Result<Vec<Entry>, Broken> {
        let mut entries = Vec::new();
        follow(&self.path, None, |entry| entries.push(entry.clone()))?;
        Ok(entries)
    }

    /// The lines as something else makes them.
    fn rewrite(&self, change: impl Fn(&mut Vec<String>)) {
        let text = fs::read_to_string(&self.path).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        change(&mut lines);
        fs::write(&self.path, lines.join("\n") + "\n").unwrap();
    }
}

#[test]
fn a_run_is_told_from_its_start_to_its_end() {
    let place = Place::with_runs();
    let entries = place.entries().unwrap();
    let of_second: Vec<_> = entries.iter().filter(|it| it.run == entries[2].run).collect();
    let events: Vec<_> = of_second.iter().map(|entry| &entry.event).collect();
    assert!(matches!(events[0], AuditEvent::Started { purpose, .. } if purpose == "backup"));
    assert!(
        matches!(events[1], AuditEvent::Refused { denied: true, attempt, .. } if attempt.contains("\"x\":\nnot"))
    );
    assert!(
        matches!(events[2], AuditEvent::SecretShown { credential, .. } if credential == "account")
    );
    assert!(
        matches!(events[3], AuditEvent::Ended { outcome, error: Some(error) } if outcome == "failed" && error.contains("part a"))
    );
    assert_eq!(entries.len(), 8);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&place.path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_was_changed_taken_out_or_put_in_shows() {
    let changes: [fn(&mut Vec<String>); 5] = [
        |lines| lines[2] = lines[2].replace("backup", "backuq"),
        |lines| drop(lines.remove(3)),
        |lines| drop(lines.remove(0)),
        |lines| lines.insert(4, lines[3].clone()),
        |lines| lines.swap(2, 3),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let place = Place::with_runs();
        place.rewrite(change);
        let broken = place.entries().unwrap_err();
        assert!(matches!(broken, Broken::Link { .. }), "change {number}: {broken}");
    }
}

#[test]
fn an_end_that_was_cut_off_shows_to_whoever_noted_the_head() {
    let place = Place::with_runs();
    let head = follow(&place.path, None, |_| {}).unwrap().head;
    assert!(follow(&place.path, head, |_| {}).unwrap().holds);
    place.audit().record("backup", "shop", |_| Ok(())).unwrap();
    assert!(follow(&place.path, head, |_| {}).unwrap().holds);
    place.rewrite(|lines| lines.truncate(5));
    assert!(!follow(&place.path, head, |_| {}).unwrap().holds);
}

#[test]
fn a_line_that_was_not_finished_is_kept_and_counted() {
    let place = Place::with_runs();
    let text = fs::read(&place.path).unwrap();
    fs::write(&place.path, &text[..text.len() - 20]).unwrap();
    assert_eq!(follow(&place.path, None, |_| {}).unwrap().torn, 1);
    place.audit().record("backup", "shop", |_| Ok(())).unwrap();
    let chain = follow(&place.path, None, |_| {}).unwrap();
    assert_eq!((chain.torn, chain.entries), (1, 9));
    let last = fs::read_to_string(&place.path).unwrap();
    assert_eq!(chain.head, last.lines().last().map(|line| sha256(line.as_bytes())));
}

#[test]
fn many_writers_make_one_chain() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let audit = place.audit();
                for _ in 0..20 {
                    audit.record("backup", "shop", |_| Ok(())).unwrap();
                }
            });
        }
    });
    assert_eq!(follow(&place.path, None, |_| {}).unwrap().entries, 320);
}

#[test]
fn a_plugin_cannot_fill_the_disk_with_refusals() {
    let place = Place::new();
    let audit = place.audit();
    let flood = audit.record("backup", "shop", |run| {
        (0..REFUSALS_MAX + 500).for_each(|_| run.refused("worker 1", true, &"x".repeat(2000)));
        run.refused_more(7);
        Ok(())
    });
    flood.unwrap();
    let entries = place.entries().unwrap();
    assert_eq!(entries.len() as u64, REFUSALS_MAX + 3);
    assert!(entries.iter().any(|entry| entry.event == AuditEvent::RefusedMore { count: 507 }));
}

#[test]
fn what_cannot_be_recorded_does_not_run_where_that_is_demanded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let required = Audit::open(AuditFile { path: path.clone(), is_required: true });
    assert!(required.unwrap_err().to_string().contains("audit log"));
    let audit = Audit::open(AuditFile { path, is_required: false }).unwrap();
    assert!(audit.record("backup", "shop", |_| Ok(true)).unwrap());

    // A disk without room: nothing runs.
    let full = Audit::open(AuditFile { path: "/dev/full".into(), is_required: true }).unwrap();
    let refused = full.record("backup", "shop", |_| -> Result<()> { panic!("it ran") });
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Failed);
}

#[test]
fn what_is_no_audit_log_is_named() {
    let place = Place::with_runs();
    fs::write(&place.path, "hello\n").unwrap();
    assert!(matches!(place.entries().unwrap_err(), Broken::Line { line: 1, .. }));
    fs::write(&place.path, vec![b'x'; (1 << 20) + 10]).unwrap();
    assert!(matches!(place.entries().unwrap_err(), Broken::Line { line: 1, .. }));
    let audit = place.audit();
    assert!(audit.record("backup", "shop", |_| Ok(())).is_err());
}
