use std::env;
use std::os::unix::net::UnixDatagram;

use clap::Args;
use lockgate_engine::{Error, ErrorKind, Result};
use lockgate_operations::{Jobs, JobsOptions, Scheduler, Store, Traces, background};
use lockgate_service::{NewToken, Server};
use serde_json::json;

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::output;

#[derive(Args)]
pub struct Arguments {
    /// Print a new token for a user, and what the configuration may hold of it, and end
    #[arg(long)]
    new_token: bool,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    if arguments.new_token {
        return print_token(context);
    }
    context.runtime.block_on(serve(context))?;
    Ok(exit::OK)
}

async fn serve(context: &Context) -> Result<()> {
    let settings = &context.site.configuration.service;
    let store = Store::open(&context.state).await?;
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let options = JobsOptions { at_once: count(settings.jobs), accepted: count(settings.queue) };
    let jobs = Jobs::start(context.site.clone(), store, options).await?;
    let scheduler = Scheduler::new(jobs.clone());
    let server = Server::bind(settings, scheduler.clone()).await?;
    let traces = settings.traces.as_deref().map(Traces::to).transpose()?;
    let traced = async {
        match traces {
            Some(traces) => traces.run(jobs).await,
            None => std::future::pending().await,
        }
    };
    tell_listening(context, &server)?;
    notify("READY=1");
    tokio::select! {
        () = server.run(&context.cancel) => {}
        () = background(scheduler.clone()) => {}
        () = traced => {}
    }
    output::note("ended");
    Ok(())
}

fn tell_listening(context: &Context, server: &Server) -> Result<()> {
    let address = server.address()?;
    let is_encrypted = context.site.configuration.service.tls.is_some();
    let scheme = if is_encrypted { "https" } else { "http" };
    let url = format!("{scheme}://{address}");
    if context.json {
        output::message("listening", json!({ "url": url }));
    } else {
        output::line(format!("listening at {url}"));
    }
    Ok(())
}

fn print_token(context: &Context) -> Result<Exit> {
    let drawn = NewToken::draw();
    let drawn = drawn.ok_or_else(|| Error::new(ErrorKind::Failed, "no random bytes"))?;
    if context.json {
        let body = json!({ "token": drawn.token, "token_sha256": drawn.hash });
        output::message("summary", body);
        return Ok(exit::OK);
    }
    output::line(format!("token         {}", drawn.token));
    output::line("              is for the user, and is kept nowhere");
    output::line(format!("token-sha256  {}", drawn.hash));
    output::line("              is for [service.users.NAME] in the configuration");
    Ok(exit::OK)
}

/// Tells systemd, where that started it, what state it is in; see `sd_notify(3)`.
fn notify(state: &str) {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return };
    let told = UnixDatagram::unbound().and_then(|socket| match path.to_str() {
        Some(path) if path.starts_with('@') => {
            use std::os::linux::net::SocketAddrExt as _;
            let name = path.get(1..).unwrap_or_default();
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            socket.send_to_addr(state.as_bytes(), &address)
        }
        _ => socket.send_to(state.as_bytes(), &path),
    });
    if let Err(error) = told {
        output::note(format!("systemd: {error}"));
    }
}
