//! What the first-party plugins import, and that nothing is reached without a grant.

use anyhow::{Result, ensure};
use lockgate_tests::Site;

#[test]
fn first_party_plugins_import_only_lockgate_interfaces() -> Result<()> {
    let site = Site::local()?;
    for (plugin, allowed) in [
        ("files", &["archive", "files", "job", "types"][..]),
        ("mariadb", &["archive", "credentials", "files", "job", "net", "types"]),
    ] {
        let shown = site.lockgate.ok(&["plugin", "inspect", plugin])?;
        let imports: Vec<&str> = shown
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("imports "))
            .map(str::trim)
            .collect();
        println!("{plugin}: {}", imports.join(" "));
        ensure!(!imports.is_empty(), "{shown:?}");
        for import in imports {
            let name =
                import.strip_prefix("lockgate:datastore/").and_then(|rest| rest.split('@').next());
            ensure!(name.is_some_and(|name| allowed.contains(&name)), "{plugin} imports {import}");
        }
    }
    Ok(())
}

#[test]
fn a_plugin_without_grants_is_denied() -> Result<()> {
    let site = Site::local()?;
    site.lockgate.ok(&["init"])?;
    let lockgate =
        site.configured("[sources.a]\nplugin = \"files\"\n\n[sources.b]\nplugin = \"mariadb\"\n")?;
    for source in ["a", "b"] {
        let refused = lockgate.run(&["backup", source])?;
        ensure!(matches!(refused.code, Some(2 | 17)), "{refused:?}");
        ensure!(!refused.error_line().is_empty(), "{refused:?}");
    }
    let listed = lockgate.ok(&["snapshots"])?;
    ensure!(listed.stdout.is_empty(), "{listed:?}");
    Ok(())
}

#[test]
fn plugins_are_listed_with_what_they_are() -> Result<()> {
    let site = Site::local()?;
    let listed = site.lockgate.ok(&["plugin", "list"])?;
    ensure!(listed.stdout.contains("files") && listed.stdout.contains("mariadb"), "{listed:?}");
    Ok(())
}
