//! A lane: one thread, one store, one instance, one socket to the host.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::{Engine, Store, UpdateDeadline};

use super::bindings::{Plugin, PluginPre};
use super::call;
use super::fault::{Fault, LaneLost, trap_only};
use super::state::{Grants, Lane, State};
use super::stop;
use crate::limits::{EPOCH, HOSTCALL_BYTES_MAX, Limits, REFUSALS_LOGGED_MAX};
use crate::protocol::{Call, FrameSocket, FromWorker, Level, ProtocolError, Stop, ToWorker, Value};

/// How often, within the time that a plugin may compute, it is looked whether it called the host.
const CHECKS: u64 = 8;

/// What every lane needs.
pub struct Loaded {
    pub engine: Engine,
    /// The linked component, or why it cannot be linked.
    pub plugin: Result<PluginPre<State>, String>,
    pub grants: Arc<Grants>,
    pub limits: Limits,
}

/// Serves one instance until the host closes the lane, or the plugin is stopped.
///
/// # Errors
/// When the lane breaks.
pub fn serve(loaded: &Loaded, socket: FrameSocket) -> Result<(), ProtocolError> {
    let lane = Lane::new(socket);
    let plugin = match &loaded.plugin {
        Ok(plugin) => plugin,
        Err(reason) => return stop(&lane, Stop::Unfit(reason.clone())),
    };
    let mut store = store(loaded, lane.clone());
    let plugin = match plugin.instantiate(&mut store) {
        Ok(plugin) => plugin,
        Err(error) => return end(&lane, &error, store.data_mut(), true),
    };
    tell(&lane, &FromWorker::Ready)?;
    loop {
        let message = lane.socket().receive()?;
        match message {
            None => return Ok(()),
            Some(ToWorker::Call(call)) => match make(&plugin, &mut store, call) {
                Ok(result) => {
                    let result = result.map_err(Stop::Failure);
                    tell(&lane, &FromWorker::Returned(result))?;
                }
                // The store is dropped: nobody knows in which state its memory is.
                Err(error) => return end(&lane, &error, store.data_mut(), false),
            },
            Some(ToWorker::Answer(_)) => {
                return Err(ProtocolError::Unexpected("an answer came without a question"));
            }
        }
    }
}

fn store(loaded: &Loaded, lane: Lane) -> Store<State> {
    let state = State::new(loaded.grants.clone(), lane, &loaded.limits);
    let mut store = Store::new(&loaded.engine, state);
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
    store.set_max_component_handles(loaded.limits.handles as usize);
    let epochs = u64::try_from(EPOCH.as_millis()).unwrap_or(1).max(1);
    let slice = loaded.limits.busy_ms.div_ceil(epochs).div_ceil(CHECKS).max(1);
    store.set_epoch_deadline(slice);
    let mut seen = 0;
    let mut idle_slices = 0;
    // Computing counts only while the plugin does not call the host: a slice in which it did starts the count anew. Waiting
    // inside the host never counts, because this runs only while the plugin's own code does.
    store.epoch_deadline_callback(move |store| {
        let calls = store.data().host_calls;
        idle_slices = if calls == seen { idle_slices + 1 } else { 0 };
        seen = calls;
        if idle_slices > CHECKS {
            return Ok(UpdateDeadline::Interrupt);
        }
        Ok(UpdateDeadline::Continue(slice))
    });
    store
}

fn make(
    plugin: &Plugin,
    store: &mut Store<State>,
    call: Call,
) -> wasmtime::Result<Result<Value, lockgate_types::Failure>> {
    let state = store.data_mut();
    state.host_calls += 1;
    state.begin_call(call::activity(&call));
    let result = call::make(plugin, store, call)?;
    let state = store.data_mut();
    report_log(state)?;
    trap_only(state.settle())?;
    if result.is_err() {
        return Ok(result);
    }
    // What the plugin calls done is done only when the host has taken all of it.
    match state.confirm() {
        Ok(()) => Ok(result),
        Err(Fault::Failure(failure) | Fault::Missing(failure)) => Ok(Err(failure)),
        Err(Fault::Trap(error)) => Err(error),
    }
}

/// Says what of the log is missing, and what was taken for the last words of a plugin that then went on.
fn report_log(state: &mut State) -> wasmtime::Result<()> {
    let mut lines = Vec::new();
    if let Some(message) = state.call.panic.take() {
        lines.push((Level::Error, message));
    }
    if state.call.log_lines_dropped > 0 {
        let dropped = state.call.log_lines_dropped;
        lines.push((Level::Warn, format!("{dropped} more log messages of this call were dropped")));
    }
    let more = state.call.refusals.saturating_sub(REFUSALS_LOGGED_MAX);
    if more > 0 {
        trap_only(state.tell(&FromWorker::RefusedMore(more), &[]))?;
    }
    for (level, message) in lines {
        let message = FromWorker::Log { level, message, fields: BTreeMap::new() };
        trap_only(state.tell(&message, &[]))?;
    }
    Ok(())
}

/// Tells the host why the instance has ended.
fn end(
    lane: &Lane,
    error: &wasmtime::Error,
    state: &mut State,
    is_new: bool,
) -> Result<(), ProtocolError> {
    match stop::reason(error, state) {
        None => Err(match error.downcast_ref::<LaneLost>() {
            Some(LaneLost(ProtocolError::Unexpected(what))) => ProtocolError::Unexpected(what),
            _ => ProtocolError::Truncated,
        }),
        Some(Stop::Trap(text)) if is_new && error.downcast_ref::<wasmtime::Trap>().is_none() => {
            stop(lane, Stop::Unfit(text))
        }
        Some(reason) => stop(lane, reason),
    }
}

fn stop(lane: &Lane, reason: Stop) -> Result<(), ProtocolError> {
    tell(lane, &FromWorker::Returned(Err(reason)))
}

fn tell(lane: &Lane, message: &FromWorker) -> Result<(), ProtocolError> {
    let mut socket = lane.socket();
    match socket.send(message, &[]) {
        // What the plugin returned is larger than a message may be.
        Err(error @ ProtocolError::TooLong(_)) => {
            let failure = lockgate_types::Failure::Other(format!("the plugin's answer: {error}"));
            socket.send(&FromWorker::Returned(Err(Stop::Failure(failure))), &[])?;
        }
        result => result?,
    }
    socket.flush()
}
