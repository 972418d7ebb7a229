use clap::{Args, Subcommand};
use lockgate_api::{Job, JobId, Request};
use lockgate_engine::Result;
use serde_json::json;

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::follow::{duration, follow};
use crate::operator::{self, Operator};
use crate::{output, words};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    step: Option<Step>,
    /// Only the newest N
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
}

#[derive(Subcommand)]
enum Step {
    /// Show what was asked for and what came of it
    Show {
        /// The id of a job
        id: JobId,
    },
    /// Show what happens in a job from its beginning to its end
    Follow {
        /// The id of a job
        id: JobId,
    },
    /// Ask a job to stop
    Cancel {
        /// The id of a job
        id: JobId,
    },
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let operator = operator::open(context)?;
    match arguments.step {
        None => list(context, &operator.jobs(arguments.limit)?),
        Some(Step::Show { id }) => print(context, &operator.job(id)?),
        Some(Step::Follow { id }) => return to_the_end(context, &*operator, id),
        Some(Step::Cancel { id }) => cancelled(context, &operator.cancel(id)?),
    }
    Ok(exit::OK)
}

fn list(context: &Context, jobs: &[Job]) {
    for job in jobs {
        if context.json {
            output::message("job", job);
        } else {
            output::line(line(job));
        }
    }
    if context.json {
        output::message("summary", json!({ "jobs": jobs.len() }));
    }
}

fn line(job: &Job) -> String {
    let (created, state, kind) =
        (words::time(job.created), words::state(job.state), words::state(job.kind));
    format!("{created}  {state:9}  {kind:11}  {}  {}", job.id, what(job))
}

/// What a job is about.
fn what(job: &Job) -> String {
    let names = |names: &[_]| words::texts::<lockgate_types::Name>(names).join(", ");
    match (&job.request, &job.backup) {
        (_, Some(id)) => id.to_string(),
        (Request::Backup(request), None) => request.name.clone(),
        (Request::Restore(request) | Request::Plan(request), None) => request.backup.to_string(),
        (Request::Health(request), None) => names(&request.sources),
        (Request::Maintenance(request), None) => {
            format!("{} {}", names(&request.sources), words::state(request.step))
        }
        (Request::Action(request), None) => format!("{} {}", request.source, request.action),
        (Request::Retention(request), None) => {
            format!("{} of {}", names(&request.units), request.schedule)
        }
    }
}

fn print(context: &Context, job: &Job) {
    if context.json {
        return output::message("summary", job);
    }
    output::line(format!("job      {}", job.id));
    output::line(format!("state    {}", words::state(job.state)));
    output::line(format!("does     {} {}", words::state(job.kind), what(job)));
    output::line(format!("asked    {} by {}", words::time(job.created), job.requested_by));
    if let Some(started) = job.started {
        output::line(format!("started  {}", words::time(started)));
    }
    if let Some(ended) = job.ended {
        let took = words::duration(duration(job));
        output::line(format!("ended    {} after {took}", words::time(ended)));
    }
    let progress = &job.progress;
    if !progress.stage.is_empty() {
        output::line(format!("stage    {}, {}", progress.stage, words::bytes(progress.bytes)));
    }
    if let Some(error) = &job.error {
        output::line(format!("error    {}", error.detail));
        error.hint.iter().for_each(|hint| output::line(format!("hint     {hint}")));
    }
}

fn to_the_end(context: &Context, operator: &dyn Operator, id: JobId) -> Result<Exit> {
    let job = operator.job(id)?;
    let Some(job) = follow(context, operator, &job)? else { return Ok(exit::INTERRUPTED) };
    print(context, &job);
    Ok(exit::OK)
}

fn cancelled(context: &Context, job: &Job) {
    if context.json {
        return output::message("summary", job);
    }
    if job.state.is_ended() {
        return output::line(format!("job {} has ended: {}", job.id, words::state(job.state)));
    }
    output::line(format!("job {} is asked to stop", job.id));
}
