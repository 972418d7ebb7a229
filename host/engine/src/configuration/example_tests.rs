//! The examples of the documentation are what this program understands.

use std::collections::BTreeSet;
use std::path::Path;

use super::parse;

#[test]
fn the_example_of_a_platform_has_no_mistake() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/platform.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let configuration = parse(&text).unwrap_or_else(|mistakes| panic!("{}", mistakes[0]));
    let plugins: BTreeSet<_> =
        configuration.sources.values().map(|it| it.plugin.as_str()).collect();
    assert_eq!((plugins.len(), configuration.repositories.len()), (8, 2));
    // Everything is backed up by a schedule.
    let scheduled: BTreeSet<_> =
        configuration.schedules.values().flat_map(|it| it.backup.clone()).collect();
    for name in configuration.sources.keys() {
        let in_set = configuration.sets.iter().find(|(_, set)| set.sources.contains(name));
        assert!(scheduled.contains(in_set.map_or(name, |(set, _)| set)), "{name}");
    }
    for schedule in configuration.schedules.values() {
        assert!(schedule.keep.is_some());
    }
}
