use std::collections::BTreeSet;
use std::path::Path;

use super::{FILES, HTML, SCRIPT, find};

const LINES_MAX: usize = 300;

fn text(path: &str) -> &'static str {
    std::str::from_utf8(find(path).unwrap().bytes).unwrap()
}

fn in_folder(folder: &Path, below: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{below}{}", entry.file_name().to_string_lossy());
        match entry.file_type().unwrap().is_dir() {
            true => in_folder(&entry.path(), &format!("{path}/"), found),
            false => drop(found.insert(path)),
        }
    }
}

#[test]
fn every_file_in_the_folder_is_served() {
    let mut found = BTreeSet::new();
    in_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page"), "", &mut found);
    found.retain(|path| !path.ends_with(".rs"));
    let served: BTreeSet<String> = FILES.iter().map(|file| file.path.to_owned()).collect();
    assert_eq!(served, found);
    assert!(FILES.iter().all(|file| text(file.path).lines().count() < LINES_MAX));
}

#[test]
fn every_module_that_is_imported_is_there() {
    for script in FILES.iter().filter(|file| file.media_type == SCRIPT) {
        let folder = Path::new(script.path).parent().unwrap();
        for line in text(script.path).lines().filter(|line| line.starts_with("import ")) {
            let named = line.split('\'').nth(1).unwrap();
            let path = match named.strip_prefix("../") {
                Some(above) => Path::new(above).to_owned(),
                None => folder.join(named.strip_prefix("./").unwrap()),
            };
            assert!(find(path.to_str().unwrap()).is_some(), "{}: {named}", script.path);
        }
    }
}

/// What the policy would stop is not there in the first place, and neither is what would make markup of a hostile name.
#[test]
fn nothing_is_inline_and_no_text_becomes_markup() {
    let banned =
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"];
    for file in FILES {
        let text = text(file.path);
        for word in banned {
            assert!(!text.contains(word), "{} has {word}", file.path);
        }
        let is_named = file.path == "icon.svg";
        assert!(is_named || !text.contains("://"), "{} names another place", file.path);
    }
    for page in FILES.iter().filter(|file| file.media_type == HTML) {
        let text = text(page.path);
        assert!(!text.contains(" style=") && !text.contains(" on") && !text.contains("<style"));
        assert!(
            text.matches("<script").count() == text.matches("<script type=\"module\" src=").count()
        );
    }
}
