//! The contract's calls, one method each.

use lockgate_types::{
    BackupPlan, BackupRequest, Descriptor, EntryPath, Finding, Outcome, Part, RestoreRequest, Step,
    Summary,
};

use super::entries::Flow;
use super::lane::{Lane, Limit};
use super::shown::into_shown;
use crate::error::{Error, ErrorKind, Place};
use crate::flow::{EntrySink, EntrySource};
use crate::limits::PARTS_MAX;
use crate::protocol::{Call, Value};

/// Text of a plugin that people read, in bytes.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// One instance of a plugin, in a sandbox of its own. All calls block; one at a time. Dropped, the instance ends.
///
/// After an error other than a failure that the plugin returned, the instance has ended and every call says so.
#[derive(Debug)]
pub struct Instance {
    lane: Lane,
}

/// The methods' errors: what [`crate::ErrorKind`] lists, with the instance or the part named.
impl Instance {
    pub(super) fn new(lane: Lane) -> Self {
        Self { lane }
    }

    /// The name that the instance was given.
    #[must_use]
    pub fn label(&self) -> &str {
        self.lane.label()
    }

    /// `identity.describe`.
    ///
    /// # Errors
    /// When the call does not return a value.
    pub fn describe(&mut self) -> Result<Descriptor, Error> {
        match self.look(Call::Describe)? {
            Value::Descriptor(descriptor) => Ok(readable_descriptor(descriptor)),
            other => Err(self.unexpected(&other)),
        }
    }

    /// `health.check`.
    ///
    /// # Errors
    /// When the call does not return a value.
    pub fn check(&mut self) -> Result<Vec<Finding>, Error> {
        let value = self.look(Call::Check)?;
        self.findings(value)
    }

    /// `backup.begin`. The plan's parts are checked: their ids are paths, and none is a prefix folder of another.
    ///
    /// # Errors
    /// When the call does not return a value, or the plan breaks the contract.
    pub fn backup_begin(&mut self, request: BackupRequest) -> Result<BackupPlan, Error> {
        match self.work(Call::BackupBegin(request))? {
            Value::Plan(plan) => match fault_of(&plan.parts) {
                None => Ok(plan),
                Some(fault) => Err(self.unfit(fault)),
            },
            other => Err(self.unexpected(&other)),
        }
    }

    /// `backup.join`.
    ///
    /// # Errors
    /// When the call does not return a value.
    pub fn backup_join(&mut self, mark: &[u8]) -> Result<(), Error> {
        let value = self.work(Call::BackupJoin(mark.to_vec()))?;
        self.nothing(&value)
    }

    /// `backup.release`.
    ///
    /// # Errors
    /// When the call does not return a value.
    pub fn backup_release(&mut self) -> Result<(), Error> {
        let value = self.work(Call::BackupRelease)?;
        self.nothing(&value)
    }

    /// `backup.export`: the part's entries go into `sink`.
    ///
    /// # Errors
    /// When the call does not return a value, or the sink refused something, even if the plugin passed over that.
    pub fn export(&mut self, part: &Part, sink: &mut dyn EntrySink) -> Result<Summary, Error> {
        match self.on_part(part, Call::Export(part.clone()), Flow::Export(sink))? {
            Value::Summary(summary) => Ok(summary),
            other => Err(self.unexpected(&other)),
        }
    }

    /// `backup.end`.
    ///
    /// # Errors
    /// When the call does not return a value.
    pub fn backup_end(&mut self, outcome: Outcome) -> Result<Vec<Finding>, Error> {
        let value = self.work(Call::BackupEnd(outcome))?;
        self.findings(value)
    }

    /// `restore.preview`.
    ///
    /// # Errors
    /// When the call does not return a value.
    pub fn restore_preview(&mut self, request: RestoreRequest) -> Result<Vec<Step>, Error> {
        match self.look(Call::RestorePreview(request))? {
            Value::Steps(steps) => Ok(steps.into_iter().map(readable_step).collect()),
            other => Err(self.unexpected(&other)),
        }
    }

    /// `restore.begin`.
    ///
    /// # Errors
    /// When the call does not return a value, or the stages break the contract.
    pub fn restore_begin(&mut self, request: RestoreRequest) -> Result<Vec<Vec<Part>>, Error> {
        match self.work(Call::RestoreBegin(request))? {
            Value::Stages(stages) => match fault_of(stages.iter().flatten()) {
                None => Ok(stages),
                Some(fault) => Err(self.unfit(fault)),
            },
            other => Err(self.unexpected(&other)),
        }
    }

    /// `restore.join`.
    ///
    /// # Errors
    /// When the call does not return a value.
    pub fn restore_join(&mut self, request: RestoreRequest) -> Result<(), Error> {
        let value = self.work(Call::RestoreJoin(request))?;
        self.nothing(&value)
    }

    /// `restore.import`: the part's entries come from `source`.
    ///
    /// # Errors
    /// When the call does not return a value.
    pub fn import(&mut self, part: &Part, source: &mut dyn EntrySource) -> Result<(), Error> {
        let value = self.on_part(part, Call::Import(part.clone()), Flow::Import(source))?;
        self.nothing(&value)
    }

    /// `restore.end`.
    ///
    /// # Errors
    /// When the call does not return a value.
    pub fn restore_end(&mut self, outcome: Outcome) -> Result<Vec<Finding>, Error> {
        let value = self.work(Call::RestoreEnd(outcome))?;
        self.findings(value)
    }

    /// `restore.fingerprint`.
    ///
    /// # Errors
    /// When the call does not return a value.
    pub fn fingerprint(&mut self, part: &Part) -> Result<String, Error> {
        match self.on_part(part, Call::Fingerprint(part.clone()), Flow::None)? {
            Value::Fingerprint(text) => Ok(text),
            other => Err(self.unexpected(&other)),
        }
    }

    /// `maintenance.enter`.
    ///
    /// # Errors
    /// When the call does not return a value.
    pub fn maintenance_enter(&mut self) -> Result<(), Error> {
        let value = self.work(Call::MaintenanceEnter)?;
        self.nothing(&value)
    }

    /// `maintenance.leave`.
    ///
    /// # Errors
    /// When the call does not return a value.
    pub fn maintenance_leave(&mut self) -> Result<(), Error> {
        let value = self.work(Call::MaintenanceLeave)?;
        self.nothing(&value)
    }

    /// `maintenance.act`.
    ///
    /// # Errors
    /// When the call does not return a value.
    pub fn act(&mut self, action: &str, arguments: &str) -> Result<Vec<Finding>, Error> {
        let call = Call::Act { action: action.to_owned(), arguments: arguments.to_owned() };
        let value = self.work(call)?;
        self.findings(value)
    }

    fn look(&mut self, call: Call) -> Result<Value, Error> {
        let limit =
            Limit { name: "inspect-ms", milliseconds: self.lane.shared().limits.inspect_ms };
        self.lane.call(&self.place(), limit, call, Flow::None)
    }

    fn work(&mut self, call: Call) -> Result<Value, Error> {
        let limit = self.call_limit();
        self.lane.call(&self.place(), limit, call, Flow::None)
    }

    fn on_part(&mut self, part: &Part, call: Call, flow: Flow<'_>) -> Result<Value, Error> {
        let limit = self.call_limit();
        self.lane.call(&Place::Part(part.id.clone()), limit, call, flow)
    }

    fn call_limit(&self) -> Limit {
        Limit { name: "call-ms", milliseconds: self.lane.shared().limits.call_ms }
    }

    fn place(&self) -> Place {
        Place::Instance(self.lane.label().to_owned())
    }

    fn nothing(&self, value: &Value) -> Result<(), Error> {
        if matches!(value, Value::Nothing) { Ok(()) } else { Err(self.unexpected(value)) }
    }

    fn findings(&self, value: Value) -> Result<Vec<Finding>, Error> {
        match value {
            Value::Findings(findings) => Ok(findings.into_iter().map(readable_finding).collect()),
            other => Err(self.unexpected(&other)),
        }
    }

    /// The worker makes values of the right kind; one that does not is not ours any more.
    fn unexpected(&self, _value: &Value) -> Error {
        let shared = self.lane.shared();
        shared.condemn("a call returned a value of another kind").at(&shared.name, &self.place())
    }

    fn unfit(&self, fault: String) -> Error {
        Error::new(ErrorKind::Unfit, fault).at(&self.lane.shared().name, &self.place())
    }
}

/// What is wrong with the parts of a plan, when something is.
fn fault_of<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Option<String> {
    let mut paths = Vec::new();
    for part in parts {
        match EntryPath::try_from(part.id.as_str()) {
            Ok(path) if !path.is_root() => paths.push(path),
            Ok(_) => return Some("the plan has a part without an id".to_owned()),
            Err(error) => return Some(format!("the plan has a part with a wrong id: {error}")),
        }
    }
    if paths.len() > PARTS_MAX {
        return Some(format!(
            "the plan has {} parts, more than the {PARTS_MAX} allowed",
            paths.len()
        ));
    }
    // In this order a folder stands right before what it holds.
    paths.sort();
    paths.windows(2).find_map(|pair| match pair {
        [folder, path] if path.strip_prefix(folder).is_some() => {
            Some(format!("the plan's part {path} is also, or is in, part {folder}"))
        }
        _ => None,
    })
}

/// All but the schema, which is for programs.
fn readable_descriptor(descriptor: Descriptor) -> Descriptor {
    let line = |text| into_shown(text, TEXT_BYTES_MAX);
    let lines = |texts: Vec<String>| texts.into_iter().map(line).collect();
    Descriptor {
        name: line(descriptor.name),
        version: line(descriptor.version),
        datastore: line(descriptor.datastore),
        server_versions: line(descriptor.server_versions),
        part_kinds: lines(descriptor.part_kinds),
        features: lines(descriptor.features),
        consistency: line(descriptor.consistency),
        not_saved: lines(descriptor.not_saved),
        ..descriptor
    }
}

fn readable_finding(finding: Finding) -> Finding {
    Finding {
        code: into_shown(finding.code, TEXT_BYTES_MAX),
        message: into_shown(finding.message, TEXT_BYTES_MAX),
        ..finding
    }
}

fn readable_step(step: Step) -> Step {
    Step {
        part: into_shown(step.part, TEXT_BYTES_MAX),
        action: into_shown(step.action, TEXT_BYTES_MAX),
        target: into_shown(step.target, TEXT_BYTES_MAX),
        ..step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(ids: &[&str]) -> Option<String> {
        let parts: Vec<Part> = ids
            .iter()
            .map(|id| Part {
                id: (*id).to_owned(),
                kind: "table".to_owned(),
                bytes_estimate: None,
                items_estimate: None,
                attributes: Default::default(),
            })
            .collect();
        fault_of(&parts)
    }

    #[test]
    fn plans_that_break_the_contract_are_refused() {
        assert_eq!(fault(&["shop/accounts", "shop/orders", "shop-2", "shop.x"]), None);
        assert_eq!(fault(&[]), None);
        for ids in [&["a", "a"][..], &["a/b", "a"], &["a/b", "a-c", "a"], &[""], &["../x"], &["/x"]]
        {
            assert!(fault(ids).is_some(), "{ids:?}");
        }
    }
}
