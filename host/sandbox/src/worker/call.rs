//! One call into an instance: the exported function, its arguments and its result.

use lockgate_types::Failure;
use wasmtime::{Result, Store};

use super::bindings::Plugin;
use super::bindings::lockgate::datastore::types;
use super::state::{Activity, State};
use crate::protocol::{Call, Value};

/// What the plugin returned. The outer error is a trap.
type Outcome<T> = Result<Result<T, Failure>>;

/// What the call is for.
pub fn activity(call: &Call) -> Activity {
    match call {
        Call::Export(_) => Activity::Export,
        Call::Import(_) => Activity::Import,
        call if call.is_cleanup() => Activity::Cleanup,
        _ => Activity::Other,
    }
}

/// Makes the call.
///
/// # Errors
/// When the plugin traps.
pub fn make(plugin: &Plugin, store: &mut Store<State>, call: Call) -> Outcome<Value> {
    match call {
        Call::Describe => {
            let descriptor = plugin.lockgate_datastore_identity().call_describe(store)?;
            Ok(Ok(Value::Descriptor(descriptor.into())))
        }
        Call::Check => value(plugin.lockgate_datastore_health().call_check(store), findings),
        Call::MaintenanceEnter => {
            value(plugin.lockgate_datastore_maintenance().call_enter(store), nothing)
        }
        Call::MaintenanceLeave => {
            value(plugin.lockgate_datastore_maintenance().call_leave(store), nothing)
        }
        Call::Act { action, arguments } => {
            let maintenance = plugin.lockgate_datastore_maintenance();
            value(maintenance.call_act(store, &action, &arguments), findings)
        }
        Call::BackupBegin(_)
        | Call::BackupJoin(_)
        | Call::BackupRelease
        | Call::Export(_)
        | Call::BackupEnd(_) => backup(plugin, store, call),
        _ => restore(plugin, store, call),
    }
}

fn backup(plugin: &Plugin, store: &mut Store<State>, call: Call) -> Outcome<Value> {
    let backup = plugin.lockgate_datastore_backup();
    match call {
        Call::BackupBegin(request) => {
            value(backup.call_begin(store, &request.into()), |plan| Value::Plan(plan.into()))
        }
        Call::BackupJoin(mark) => value(backup.call_join(store, &mark), nothing),
        Call::BackupRelease => value(backup.call_release(store), nothing),
        Call::Export(part) => {
            value(backup.call_export(store, &part.into()), |summary| Value::Summary(summary.into()))
        }
        Call::BackupEnd(outcome) => value(backup.call_end(store, &outcome.into()), findings),
        other => wasmtime::bail!("{other:?} is not a call of a backup"),
    }
}

fn restore(plugin: &Plugin, store: &mut Store<State>, call: Call) -> Outcome<Value> {
    let restore = plugin.lockgate_datastore_restore();
    match call {
        Call::RestorePreview(request) => {
            value(restore.call_preview(store, &request.into()), |steps| {
                Value::Steps(steps.into_iter().map(Into::into).collect())
            })
        }
        Call::RestoreBegin(request) => {
            value(restore.call_begin(store, &request.into()), |stages| {
                let parts = |stage: Vec<types::Part>| stage.into_iter().map(Into::into).collect();
                Value::Stages(stages.into_iter().map(parts).collect())
            })
        }
        Call::RestoreJoin(request) => value(restore.call_join(store, &request.into()), nothing),
        Call::Import(part) => value(restore.call_import(store, &part.into()), nothing),
        Call::RestoreEnd(outcome) => value(restore.call_end(store, &outcome.into()), findings),
        Call::Fingerprint(part) => {
            value(restore.call_fingerprint(store, &part.into()), Value::Fingerprint)
        }
        other => wasmtime::bail!("{other:?} is not a call of a restore"),
    }
}

fn value<T>(
    returned: Result<Result<T, types::Failure>>,
    convert: impl FnOnce(T) -> Value,
) -> Outcome<Value> {
    Ok(returned?.map(convert).map_err(Into::into))
}

fn nothing((): ()) -> Value {
    Value::Nothing
}

fn findings(list: Vec<types::Finding>) -> Value {
    Value::Findings(list.into_iter().map(Into::into).collect())
}
