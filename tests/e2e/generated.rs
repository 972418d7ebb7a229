//! What lockgate prints of itself for other programs: manual pages and the unit of its service.

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};
use lockgate_tests::Site;

#[test]
fn every_command_has_a_manual_page() -> Result<()> {
    let site = Site::local()?;
    let folder = site.text("man");
    site.lockgate.ok(&["man", "--folder", &folder])?;
    let page = fs::read_to_string(site.path("man/lockgate-plugin-lock.1"))?;
    ensure!(page.contains(".TH lockgate-plugin-lock 1"), "{page}");
    let help = site.lockgate.ok(&["--help"])?.stdout;
    let commands = help.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    let names: Vec<&str> =
        names.into_iter().filter(|name| !name.starts_with('-') && *name != "help").collect();
    ensure!(names.len() > 20, "{names:?}");
    for name in names {
        ensure!(site.path(&format!("man/lockgate-{name}.1")).is_file(), "{name} has no page");
    }
    let one = site.lockgate.ok(&["man", "jobs", "cancel"])?.stdout;
    ensure!(one.contains("lockgate\\-jobs\\-cancel"), "{one}");
    ensure!(site.lockgate.run(&["man", "nothing"])?.code == Some(2));
    Ok(())
}

#[test]
fn the_unit_of_the_service_lets_it_change_what_the_configuration_says() -> Result<()> {
    let site = Site::local()?;
    let lockgate = site.configured(&format!(
        "[repositories.main]\nurl = \"fs:{0}/repo 1\"\n\n[sources.a]\nplugin = \"files\"\nfolders.data = {{ path = \"{0}/data\", access = \"read-write\" }}\n\n\
         [sources.b]\nplugin = \"files\"\nfolders.data = {{ path = \"{0}/read\" }}\n\n\
         [sources.shop]\nplugin = \"mariadb\"\nendpoints.server = {{ address = \"127.0.0.1:1\" }}\n\
         credentials.account = {{ principal = \"backup\", secret-credential = \"shop\" }}\n",
        site.text("")
    ))?;
    let unit = lockgate.ok(&["systemd"])?.stdout;
    for expected in [
        format!("ReadWritePaths=-\"{}repo 1\"\n", site.text("")),
        format!("ReadWritePaths=-{}data\n", site.text("")),
        "LoadCredential=shop\n".to_owned(),
        format!("--config {}config.toml serve\n", site.text("")),
    ] {
        let unit = unit.replace("//", "/");
        ensure!(unit.contains(&expected), "no {expected} in {unit}");
    }
    ensure!(!unit.contains("/read\n"), "what is only read can be changed: {unit}");
    let user = lockgate.ok(&["systemd", "--user", "backup"])?.stdout;
    ensure!(user.contains("User=backup\nCapabilityBoundingSet=\n"), "{user}");

    // Where there is a systemd, it understands every line.
    fs::write(site.path("lockgate.service"), &unit)?;
    let path = site.path("lockgate.service");
    let verify = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output();
    if let Ok(verified) = verify {
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        let about_it: Vec<&str> =
            said.lines().filter(|line| line.contains("lockgate.service")).collect();
        ensure!(about_it.is_empty(), "{said}");
    }
    Ok(())
}
