//! Saves the pages of an HTTP server that lists them as JSON, one entry each.

use std::io::{self, Write as _};

use lockgate_plugin::http::Request;
use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Context, Descriptor, Entry, Error, Failure, Finding, Part,
    Plugin, Restore, RestoreRequest, Result, Severity, Step, Summary, archive, credentials,
    credentials_reveal,
};

struct Pages;

lockgate_plugin::export!(Pages);

/// Nothing can be set.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {}

impl Plugin for Pages {
    type Config = Config;
    type Backup = Saving;
    type Restore = Restoring;

    fn describe() -> Descriptor {
        Descriptor {
            name: "pages".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            datastore: "an HTTP server of the tests".into(),
            part_kinds: vec!["site".into()],
            consistency: "Each page is as it was at one moment.".into(),
            ..Descriptor::default()
        }
    }

    fn check(_: Config) -> Result<Vec<Finding>> {
        let token = token()?;
        let list = Request::get("server", "/pages?sorted").header("x-token", &token).send()?;
        let names: Vec<String> = list.success()?.json().context("the list of pages")?;
        let message = format!("the server has {} pages", names.len());
        Ok(vec![Finding::new(Severity::Ok, "reachable", message)])
    }

    fn enter_maintenance(_: Config) -> Result<()> {
        Request::post("server", "/maintenance").send_json(&true)?.success()?;
        Ok(())
    }

    fn leave_maintenance(_: Config) -> Result<()> {
        Request::post("server", "/maintenance").send_json(&false)?.success()?;
        Ok(())
    }

    fn act(_: Config, action: &str, arguments: &str) -> Result<Vec<Finding>> {
        if action != "reindex" {
            return Err(Error::unsupported(format!("there is no action {action:?}, only reindex")));
        }
        let mut body = Request::post("server", "/reindex").stream(Some(arguments.len() as u64))?;
        body.write_all(arguments.as_bytes())?;
        let empty: Vec<String> = body.finish()?.success()?.json().context("the empty pages")?;
        let finding = |name: String| {
            Finding::new(Severity::Critical, "page-empty", format!("page {name} is empty"))
        };
        Ok(empty.into_iter().map(finding).collect())
    }
}

/// The token where one is granted.
fn token() -> Result<String> {
    match credentials::open("token") {
        Ok(token) => Ok(String::from_utf8(credentials_reveal::reveal(&token)?)?),
        Err(Failure::Denied(_)) => Ok(String::new()),
        Err(failure) => Err(failure.into()),
    }
}

struct Saving;

impl Backup for Saving {
    type Config = Config;

    fn begin(_: Config, _: BackupRequest) -> Result<(Self, BackupPlan)> {
        Ok((Self, BackupPlan::new(vec![Part::new("site", "site")])))
    }

    fn join(_: Config, _: Vec<u8>) -> Result<Self> {
        Ok(Self)
    }

    fn export(&mut self, _: Part) -> Result<Summary> {
        let token = token()?;
        let get = |target: &str| Request::get("server", target).header("x-token", &token).send();
        let list = get("/pages?sorted")?.success()?;
        let names: Vec<String> = list.json().context("the list of pages")?;
        for name in &names {
            let mut page = get(&format!("/pages/{name}"))?.success()?;
            let entry = Entry::new(name.as_str());
            let mut writer = archive::create(&entry)?;
            io::copy(&mut page, &mut writer)?;
            writer.finish()?;
        }
        Ok(Summary::of_items(names.len() as u64))
    }
}

struct Restoring;

impl Restore for Restoring {
    type Config = Config;

    fn preview(_: Config, request: RestoreRequest) -> Result<Vec<Step>> {
        Ok(request.parts.iter().map(|part| Step::new(&part.id, "fill", part.id.as_str())).collect())
    }

    fn begin(_: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        Ok((Self, vec![request.parts]))
    }

    fn join(_: Config, _: RestoreRequest) -> Result<Self> {
        Ok(Self)
    }

    fn import(&mut self, _: Part) -> Result<()> {
        for entry in archive::entries(b"") {
            let entry = entry?;
            let name = String::from_utf8(entry.path.clone())?;
            let mut reader = archive::open(&entry.path)?;
            let mut page = Request::put("server", &format!("/pages/{name}")).stream(None)?;
            io::copy(&mut reader, &mut page)?;
            page.finish()?.success()?;
        }
        Request::post("server", "/restored").send_json(&true)?.success()?;
        Ok(())
    }
}
