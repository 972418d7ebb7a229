//! Whatever is looked for is found in every snapshot that has it, as restic finds it.

use std::collections::BTreeSet;
use std::fs;

use crate::referee::{Bench, fill, noise};
use lockgate_repository::{
    ErrorKind, FindOptions, NodeKind, ObjectKind, Pattern, Repository, Selection, parse_moment,
};
use serde_json::Value;

type Finds = BTreeSet<(String, String)>;

async fn find(repository: &Repository, options: &FindOptions) -> Finds {
    let mut finds = Finds::new();
    let take = |found: lockgate_repository::Found<'_>| {
        finds.insert((found.snapshot.id.to_string(), format!("/{}", found.path)));
    };
    let count = repository.find(&Selection::default(), options, take).await.unwrap();
    assert_eq!(count, finds.len() as u64);
    finds
}

fn of_restic(bench: &Bench, arguments: &[&str]) -> Finds {
    let mut words = vec!["find", "--json"];
    words.extend_from_slice(arguments);
    let answer = bench.restic_json(words);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut finds = Finds::new();
    for snapshot in answer.as_array().unwrap() {
        for found in snapshot["matches"].as_array().unwrap() {
            finds.insert((text(&snapshot["snapshot"]), text(&found["path"])));
        }
    }
    finds
}

fn named(pattern: &str) -> FindOptions {
    let mut options = FindOptions::default();
    options.patterns = vec![Pattern::new(pattern, false).unwrap()];
    options
}

async fn bench() -> (Bench, Repository) {
    let bench = Bench::new();
    let repository = bench.init().await;
    let source = bench.subfolder("source");
    fill(&source, 1);
    fill(&source.join("same"), 2);
    fs::create_dir_all(source.join("nothing/here")).unwrap();
    bench.backup(&source, "2024-01-01 00:00:00", &[]);
    fs::write(source.join("noise2"), noise(77, 2_000_000)).unwrap();
    fs::remove_file(source.join("same/noise")).unwrap();
    bench.backup(&source, "2024-01-02 00:00:00", &[]);
    (bench, repository)
}

/// Whether a pattern fits a name.
type Fits = fn(&str) -> bool;

#[tokio::test]
async fn names_are_found_where_restic_finds_them() {
    let (bench, repository) = bench().await;
    let patterns: [(&str, Fits); 5] = [
        ("noise*", |name| name.starts_with("noise")),
        ("f?le", |name| name == "file"),
        ("deeper", |name| name == "deeper"),
        ("[en]*", |name| name.starts_with(['e', 'n'])),
        ("nowhere", |_| false),
    ];
    for (pattern, fits) in patterns {
        let mut expected = of_restic(&bench, &[pattern]);
        // What lies in a folder of the name fits too for restic.
        expected.retain(|(_, path)| fits(path.rsplit('/').next().unwrap()));
        assert_eq!(find(&repository, &named(pattern)).await, expected, "{pattern}");
    }
    let root = bench.folder.path().join("source").display().to_string();
    let finds = find(&repository, &named(&format!("{root}/*/noise"))).await;
    assert_eq!(finds.len(), 1, "{finds:?}");
    assert_eq!(find(&repository, &named("same/**/file")).await.len(), 2);
}

#[tokio::test]
async fn conditions_narrow_what_is_found() {
    let (bench, repository) = bench().await;
    let root = bench.folder.path().join("source").display().to_string();
    let mut options = FindOptions::default();
    options.sizes = vec!["+1M".parse().unwrap()];
    let finds = find(&repository, &options).await;
    assert_eq!(finds.len(), 1);
    assert!(finds.iter().all(|(_, path)| *path == format!("{root}/noise2")));

    let mut options = named("*e*");
    options.kinds = vec![NodeKind::Directory];
    let folders = find(&repository, &options).await;
    assert!(folders.iter().any(|(_, path)| path.ends_with("deeper")), "{folders:?}");
    assert!(!folders.iter().any(|(_, path)| path.ends_with("text")), "{folders:?}");

    options = named("*");
    options.newer = Some(parse_moment("1h").unwrap());
    assert!(find(&repository, &options).await.len() > 20);
    options.older = Some(parse_moment("2001-01-01").unwrap());
    assert_eq!(find(&repository, &options).await.len(), 0);

    let nothing = repository.find(&Selection::default(), &FindOptions::default(), |_| {}).await;
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn blobs_trees_and_packs_lead_to_what_needs_them() {
    let (bench, repository) = bench().await;
    let reader = repository.reader().await.unwrap();
    let snapshot = repository.snapshot("latest").await.unwrap();
    let root = bench.folder.path().join("source").display().to_string();
    let path = lockgate_types::EntryPath::try_from(format!("{root}/noise2").trim_matches('/'));
    let node = reader.node(&snapshot.tree, &path.unwrap()).await.unwrap().unwrap();
    let blob = node.blobs()[0].to_string();
    let mut options = FindOptions::default();
    options.blobs = vec![blob.clone()];
    let finds = find(&repository, &options).await;
    assert_eq!(finds, Finds::from([(snapshot.id.to_string(), format!("{root}/noise2"))]));

    let mut options = FindOptions::default();
    options.trees = vec![snapshot.tree.to_string()];
    let finds = find(&repository, &options).await;
    assert_eq!(finds, Finds::from([(snapshot.id.to_string(), "/".to_owned())]));

    options.patterns = vec![Pattern::new("*", false).unwrap()];
    assert_eq!(find(&repository, &options).await.len(), 0, "a root has no name");

    let (mut all, mut packs) = (Finds::new(), repository.objects(ObjectKind::Pack).await.unwrap());
    packs.reverse();
    for pack in packs {
        let mut options = FindOptions::default();
        options.packs = vec![pack.to_string()];
        all.extend(find(&repository, &options).await);
    }
    let mut everything = find(&repository, &named("*")).await;
    // Empty files need nothing.
    everything.retain(|(_, path)| !path.ends_with("/empty"));
    let roots = repository.snapshots().await.unwrap();
    everything.extend(roots.iter().map(|root| (root.id.to_string(), "/".to_owned())));
    assert_eq!(all, everything);
}
