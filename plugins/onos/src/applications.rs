//! Applications: their archives (`bits`), and whether they are active. One part for each.

use std::io::{self, Read, Write};

use lockgate_plugin::http::{Request, segment};
use lockgate_plugin::path::escape;
use lockgate_plugin::{Context, Entry, Error, Fingerprint, Part, Result, Summary, archive};
use serde_json::{Value, json};

use crate::limits::BITS_BYTES_MAX;
use crate::rest::{self, ENDPOINT, target};
use crate::version::Version;

/// Kind of the parts.
pub const APPLICATION: &str = "application";
const NAME: &str = "application";
const BITS: &[u8] = b"bits.oar";
const DESCRIPTION: &[u8] = b"application.json";

/// An application as ONOS tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// As `org.onosproject.fwd`.
    pub name: String,
    version: String,
    is_active: bool,
}

impl Application {
    fn read(value: &Value) -> Result<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let read = || {
            let is_active = text("state")? == "ACTIVE";
            Some(Self { name: text("name")?, version: text("version")?, is_active })
        };
        read().ok_or_else(|| {
            Error::corrupt("ONOS tells an application without name, version or state")
        })
    }

    /// Its part.
    #[must_use]
    pub fn part(&self) -> Part {
        Part::new(format!("rest/application/{}", escape(&self.name)), APPLICATION)
            .with_attribute(NAME, &self.name)
    }

    fn print(&self) -> String {
        let mut print = Fingerprint::new();
        print.add(&self.name);
        print.add_number(self.is_active.into());
        print.finish()
    }
}

/// All that are installed.
///
/// # Errors
/// When the cluster does not tell.
pub fn all() -> Result<Vec<Application>> {
    let told = rest::get("applications")?;
    let all = told.get("applications").and_then(Value::as_array);
    let all = all.ok_or_else(|| Error::corrupt("ONOS tells applications that are no list"))?;
    let mut all: Vec<Application> = all.iter().map(Application::read).collect::<Result<_>>()?;
    all.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(all)
}

fn find(part: &Part) -> Result<Option<Application>> {
    let name = name(part)?;
    Ok(all()?.into_iter().find(|it| it.name == name))
}

fn name(part: &Part) -> Result<&str> {
    let name = part.attribute(NAME).filter(|it| !it.is_empty());
    name.ok_or_else(|| Error::corrupt(format!("part {} names no application", part.id)))
}

/// Archives one.
///
/// # Errors
/// When the cluster does not give it.
pub fn export(part: &Part) -> Result<Summary> {
    let name = name(part)?;
    let found = find(part)?.ok_or_else(|| {
        Error::conflict(format!(
            "application {name} was uninstalled meanwhile; run the backup again"
        ))
    })?;
    let description = json!({
        "name": found.name, "version": found.version, "state": if found.is_active { "ACTIVE" } else { "INSTALLED" },
    });
    let mut writer = archive::create(&Entry::new(DESCRIPTION).with_media_type("application/json"))?;
    writer.write_all(description.to_string().as_bytes())?;
    writer.finish()?;
    let bits = rest::open(&format!("applications/{}/bits", segment(name)))?;
    let mut writer = archive::create(&Entry::new(BITS))?;
    let bytes = io::copy(&mut bits.take(BITS_BYTES_MAX + 1), &mut writer)?;
    if bytes > BITS_BYTES_MAX {
        return Err(Error::unsupported(format!(
            "application {name} has more than {} MiB",
            BITS_BYTES_MAX >> 20
        )));
    }
    writer.finish()?;
    Ok(Summary::of_items(1)
        .with_fingerprint(found.print())
        .with_attribute("version", &found.version)
        .with_attribute("active", found.is_active.to_string()))
}

/// Installs one, or leaves a version that is not older, and has it active or not as it was.
///
/// # Errors
/// When the cluster does not take it.
pub fn import(part: &Part) -> Result<()> {
    let name = name(part)?;
    let mut description = Vec::new();
    archive::open(DESCRIPTION)?.take(1 << 20).read_to_end(&mut description)?;
    let wanted = Application::read(&serde_json::from_slice(&description)?)?;
    let path = format!("applications/{}", segment(name));
    let mut there = find(part)?;
    if let Some(old) = there.as_ref().filter(|it| is_older(&it.version, &wanted.version)) {
        log::info!("application {name} {} is replaced by {}", old.version, wanted.version);
        rest::act("DELETE", &path)?;
        there = None;
    }
    let is_active = there.as_ref().is_some_and(|it| it.is_active);
    if there.is_none() {
        let mut bits = archive::open(BITS)?;
        let request = Request::post(ENDPOINT, &target("applications"));
        let mut body = request.header("content-type", "application/octet-stream").stream(None)?;
        io::copy(&mut bits, &mut body)?;
        body.finish()?.success().with_context(|| format!("install {name}"))?;
    }
    if wanted.is_active != is_active {
        let method = if wanted.is_active { "POST" } else { "DELETE" };
        rest::act(method, &format!("{path}/active"))?;
    }
    Ok(())
}

/// The fingerprint of what is installed now: name and activation. A newer version may have come with the installation.
///
/// # Errors
/// When it is not installed.
pub fn fingerprint(part: &Part) -> Result<String> {
    let found = find(part)?;
    let found = found.ok_or_else(|| Error::corrupt(format!("{} is not installed", part.id)))?;
    Ok(found.print())
}

fn is_older(version: &str, than: &str) -> bool {
    match (Version::parse(version), Version::parse(than)) {
        (Some(version), Some(than)) => version < than,
        _ => version != than,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_is_read_and_a_version_compared() {
        let told = json!({"name": "org.onosproject.fwd", "version": "2.7.0", "state": "ACTIVE"});
        let read = Application::read(&told).unwrap();
        assert!(read.is_active && read.part().id == "rest/application/org.onosproject.fwd");
        assert!(Application::read(&json!({"name": "x"})).is_err());
        assert!(is_older("1.9", "1.10") && !is_older("2.0.0", "2.0.0") && !is_older("3.0", "2.9"));
        assert!(is_older("a", "b"));
    }
}
