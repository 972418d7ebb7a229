//! The stand-in against the maker's own tests of its client in Go, as far as they are about what the plugin works with. Each
//! runs over HTTP/1.1 (`HTTP_JSON`), which is what the stand-in speaks.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Result, ensure};
use lockgate_servers::{StandIn, go_tests};

use crate::PASSWORD;

const MODULE: &str = "github.com/arangodb/go-driver/v2";
const MODULE_VERSION: &str = "v2.4.1";

/// What is run, by the words in the tests' names.
const TESTS: &str = "^Test.*(Database|Collection|Document|Index|View|Graph|Edge|Vertex|Analyzer|User|Permission|Replication|Backup|\
                     Version|Server|Import|Computed|Cursor|Query|Inventory|Batch|Dump).*/^HTTP_JSON$";

/// Tests of these are known to fail, because the stand-in does not play what they are about.
const NOT_PLAYED: [&str; 11] = [
    "AllowDirtyReads",
    "Analyzers",
    "ComputedValues",
    "DatabaseKeyGenerators",
    "DatabaseNameUnicode",
    "DatabaseTransactions",
    "PersistentIndexDeduplicate",
    "ServerMode",
    "UseArangoSearchView",
    "UserPermission",
    "VersionAttribute",
];
/// Words in the names of others: queries and their caches, revision trees, the write-ahead log.
const NOT_PLAYED_WORDS: [&str; 6] =
    ["Query", "RevisionDocuments", "DocumentRevisions", "WAL", "NewBatch", "UserDefinedFunctions"];
/// Fewer would mean that they are not run any more.
const PASSED_MIN: usize = 69;

#[test]
#[ignore = "takes minutes: cargo test -p lockgate-plugin-arangodb --test conformance -- --ignored runs it"]
fn the_makers_own_tests_agree_with_the_stand_in() -> Result<()> {
    let (program, folder) = go_tests(MODULE, MODULE_VERSION, "tests")?;
    let server = StandIn::start("arangodb")?;
    let output = Command::new(program)
        .current_dir(folder)
        .args(["-test.v", "-test.timeout", "540s", "-test.run", TESTS])
        // Waits minutes for documents to expire, which the stand-in does not play.
        .args(["-test.skip", "Test_TTLIndex"])
        .env("TEST_ENDPOINTS", format!("http://127.0.0.1:{}", server.port()))
        .env("TEST_AUTHENTICATION", format!("basic:root:{PASSWORD}"))
        .env("TEST_MODE", "single")
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let of = |verdict: &str| -> BTreeSet<String> {
        let lines = said.lines().filter_map(|line| line.trim().strip_prefix(verdict));
        lines
            .filter_map(|rest| {
                rest.split("/HTTP_JSON (").next().filter(|name| name.len() < rest.len())
            })
            .map(str::to_owned)
            .collect()
    };
    let (passed, failed, skipped) = (of("--- PASS: "), of("--- FAIL: "), of("--- SKIP: "));
    println!("passed {}: {passed:?}", passed.len());
    println!("failed {}: {failed:?}", failed.len());
    println!("skipped by themselves {}: {skipped:?}", skipped.len());
    let is_known =
        |name: &&String| NOT_PLAYED.iter().chain(&NOT_PLAYED_WORDS).any(|word| name.contains(word));
    let new: Vec<&String> = failed.iter().filter(|name| !is_known(name)).collect();
    ensure!(new.is_empty(), "these were not expected to fail: {new:?}");
    ensure!(passed.len() >= PASSED_MIN, "only {} passed:\n{said}", passed.len());
    Ok(())
}
