use clap::Args;
use lockgate_engine::Result;
use lockgate_repository::Lock;
use serde_json::json;

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{output, words};

#[derive(Args)]
pub struct Arguments {
    /// Remove all locks, also those of runs that are under way: only when you know that there are none
    #[arg(long)]
    remove_all: bool,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let location = context.site.location(None)?;
    if arguments.remove_all {
        output::note(
            "Removing all locks. A backup that still runs may lose what it relies on when somebody prunes now.",
        );
    }
    let report = context.runtime.block_on(async {
        let repository = location.open().await?;
        Ok::<_, lockgate_engine::Error>(repository.unlock(arguments.remove_all).await?)
    })?;
    report.removed.iter().for_each(|lock| print(context, "removed", lock));
    report.kept.iter().for_each(|lock| print(context, "kept", lock));
    let (removed, kept) = (report.removed.len(), report.kept.len());
    if context.json {
        output::message("summary", json!({ "removed": removed, "kept": kept }));
    } else {
        output::line(format!("{} removed, {kept} kept", words::plural(removed as u64, "lock")));
        if kept > 0 {
            output::note(
                "what was kept is in use, or was a moment ago; --remove-all removes it too",
            );
        }
    }
    Ok(exit::OK)
}

fn print(context: &Context, action: &str, lock: &Lock) {
    let file = lock.file.as_ref();
    if context.json {
        let body = json!({
            "id": lock.id, "action": action, "stale": lock.is_stale,
            "hostname": file.map(|it| &it.hostname), "username": file.map(|it| &it.username),
            "pid": file.map(|it| it.pid), "time": file.map(|it| it.time.to_string()),
            "exclusive": file.map(|it| it.exclusive),
        });
        output::message("lock", body);
        return;
    }
    let who = file.map_or_else(
        || "cannot be read".to_owned(),
        |it| {
            let (user, host) = (words::cut(&it.username, 40), words::cut(&it.hostname, 60));
            let how = if it.exclusive { "exclusive, " } else { "" };
            format!("{how}process {} of {user} on {host} since {}", it.pid, words::time(it.time))
        },
    );
    output::line(format!("{action:7}  {}  {who}", lock.id.short()));
}
