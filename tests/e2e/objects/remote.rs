//! The same commands, asked of a real service.

use anyhow::{Result, ensure};
use lockgate_tests::Service;

use super::{Place, life, maintenance, troubles};

/// A place whose commands ask a service, which has the configuration.
fn served() -> Result<(Service, Place)> {
    let mut place = Place::open()?;
    let token = place.site.text("token");
    std::fs::write(&token, "a-token-that-nobody-guesses-0123456789\n")?;
    let configuration = std::fs::read_to_string(place.site.path("config.toml"))?;
    let service = format!(
        "[service]\nlisten = \"127.0.0.1:0\"\n\n[service.users.ann]\nroles = [\"operator\", \"restorer\"]\ntoken-file = \"{token}\"\n"
    );
    let local = place.site.configured(&format!("{configuration}{service}"))?;
    let service = Service::start(&local, &place.site.path("service.log"))?;
    // Who works with the state on the service's machine hears of it.
    let second = local.run(&["list"])?;
    ensure!(second.code == Some(11) && second.error_line().contains("--server"), "{second:?}");
    place.lockgate = place.site.lockgate.clone().with("LOCKGATE_SERVER", &service.url);
    let stranger = place.lockgate.run(&["list"])?;
    ensure!(stranger.code == Some(18), "{stranger:?}");
    place.lockgate = place.lockgate.with("LOCKGATE_TOKEN_FILE", token);
    Ok((service, place))
}

#[test]
fn a_backup_lives_in_a_service_as_it_does_here() -> Result<()> {
    let (_service, place) = served()?;
    life::live(&place)
}

#[test]
fn what_a_service_takes_out_by_hand_is_remembered_and_shown() -> Result<()> {
    let (_service, place) = served()?;
    maintenance::take_out_and_back(&place)
}

#[test]
fn a_service_says_why_a_backup_failed() -> Result<()> {
    let (_service, place) = served()?;
    troubles::fail(&place)
}

#[test]
fn a_job_of_a_service_goes_on_when_nobody_waits() -> Result<()> {
    let (_service, place) = served()?;
    let left = place.lockgate.summary(&["backup", "--detach", "--label", "nightly", "shop"])?;
    ensure!(left["detached"] == true, "{left}");
    let job = super::text(&left, "job")?;
    place.lockgate.ok(&["jobs", "follow", job])?;
    let id = super::text(&left, "backup")?;
    ensure!(place.lockgate.summary(&["show", id])?["state"] == "READY");
    let health = place.lockgate.ok(&["health", "pictures"])?;
    ensure!(health.stdout.contains("source pictures: all well"), "{health:?}");
    Ok(())
}
