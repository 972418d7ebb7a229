use clap::{Args, Subcommand};
use lockgate_api::ScheduleInfo;
use lockgate_engine::Result;
use serde_json::json;

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::follow::{duration, follow, goes_on};
use crate::operator::{self, Operator};
use crate::{output, words};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    step: Option<Step>,
}

#[derive(Subcommand)]
enum Step {
    /// Do now what a schedule does
    Run {
        /// Name of the schedule
        name: String,
        /// Print the id of the service's job, and do not wait for its end
        #[arg(long)]
        detach: bool,
    },
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let operator = operator::open(context)?;
    match &arguments.step {
        None => list(context, &*operator),
        Some(Step::Run { name, detach }) => run_one(context, &*operator, name, *detach),
    }
}

fn list(context: &Context, operator: &dyn Operator) -> Result<Exit> {
    let schedules = operator.schedules()?;
    for schedule in &schedules {
        if context.json {
            output::message("schedule", schedule);
        } else {
            output::line(line(schedule));
        }
    }
    if context.json {
        output::message("summary", json!({ "schedules": schedules.len() }));
    }
    Ok(exit::OK)
}

fn line(schedule: &ScheduleInfo) -> String {
    let next = schedule.next.map_or_else(|| "never".to_owned(), words::time);
    let last = match (schedule.last, schedule.last_state) {
        (None, _) => "never".to_owned(),
        (Some(last), None) => words::time(last),
        (Some(last), Some(state)) => format!("{} ({})", words::time(last), words::state(state)),
    };
    let maintenance = if schedule.maintenance { " in maintenance mode" } else { "" };
    format!(
        "{}  backs up {}{maintenance} at {} {}; next {next}, last {last}",
        schedule.name, schedule.backs_up, schedule.cron, schedule.time_zone
    )
}

fn run_one(context: &Context, operator: &dyn Operator, name: &str, detach: bool) -> Result<Exit> {
    crate::follow::can_detach(operator, detach)?;
    let jobs = operator.run_schedule(name)?;
    for job in &jobs {
        if detach {
            goes_on(context, job);
            continue;
        }
        let Some(job) = follow(context, operator, job)? else { return Ok(exit::INTERRUPTED) };
        if context.json {
            output::message("summary", &job);
        } else {
            let of = job.backup.as_ref().map(|id| format!(": backup {id}")).unwrap_or_default();
            output::line(format!("schedule {name}{of} in {}", words::duration(duration(&job))));
        }
    }
    Ok(exit::OK)
}
