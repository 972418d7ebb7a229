//! preview, begin, join, import, end.

use lockgate_plugin::{
    Error as Told, Finding, Outcome, Part, Restore, RestoreRequest, Result, Severity, Step,
};

use crate::auth::Auth;
use crate::client::Client;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::error::Error;
use crate::fingerprint;
use crate::import::{Importing, grant};
use crate::keyspace::KeyRange;
use crate::leases::{self, Cache};
use crate::limits::{BUMP_MAX, NAMED_MAX, RECOVERY_MARGIN};
use crate::members;
use crate::part::{REVISION, Subject};
use crate::scan;
use crate::target::Targets;
use crate::write;

/// A coordinator or a worker of a restore.
#[derive(Debug)]
pub struct Restoring {
    config: Config,
    client: Client,
    request: RestoreRequest,
    targets: Targets,
    leases: Cache,
    /// Of the coordinator.
    before: Option<Cluster>,
    /// Users that are not there before the restore; they will have no password.
    new_users: Vec<String>,
}

impl Restore for Restoring {
    type Config = Config;

    fn preview(config: Config, request: RestoreRequest) -> Result<Vec<Step>> {
        let mut restoring = Self::open(config, request)?;
        restoring.look()?;
        Ok(restoring.steps()?)
    }

    fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        let mut restoring = Self::open(config, request)?;
        let before = restoring.look()?;
        restoring.check(&before)?;
        restoring.find_new_users()?;
        restoring.before = Some(before);
        let stages = restoring.stages()?;
        Ok((restoring, stages))
    }

    fn join(config: Config, request: RestoreRequest) -> Result<Self> {
        Ok(Self::open(config, request)?)
    }

    fn import(&mut self, part: Part) -> Result<()> {
        Ok(self.import_part(&part)?)
    }

    fn fingerprint(&mut self, part: Part) -> Result<String> {
        let live = match Subject::of(&part)? {
            Subject::Keys { .. } => {
                fingerprint::live(&mut self.client, &mut self.leases, self.targets.of(&part))
            }
            Subject::Auth => Auth::read(&mut self.client).and_then(|auth| auth.fingerprint(&part)),
            Subject::Leases | Subject::Cluster | Subject::Snapshot => {
                return Err(Told::unsupported(format!("{} has no fingerprint", part.id)));
            }
        };
        Ok(live?)
    }

    fn end(mut self, outcome: Outcome) -> Result<Vec<Finding>> {
        match self.before.take() {
            Some(before) if outcome == Outcome::Completed => Ok(self.finish(&before)?),
            _ => Ok(Vec::new()),
        }
    }
}

impl Restoring {
    fn open(config: Config, request: RestoreRequest) -> Result<Self, Error> {
        let targets = Targets::new(&request)?;
        Ok(Self {
            client: Client::new(&config)?,
            config,
            request,
            targets,
            leases: Cache::default(),
            before: None,
            new_users: Vec::new(),
        })
    }

    fn look(&mut self) -> Result<Cluster, Error> {
        Cluster::look(&mut self.client, &self.config)
    }

    /// Whether the target can take the parts.
    fn check(&mut self, cluster: &Cluster) -> Result<(), Error> {
        if cluster.is_full() {
            let text = "the target has raised the alarm NOSPACE: compact and defragment it, then disarm the alarm";
            return Err(Told::conflict(text).into());
        }
        if self.request.parts.iter().all(|part| part.kind == Subject::Snapshot.kind()) {
            let text = "a snapshot file is not for a running cluster: write it to a folder (`lockgate restore --target`) and \
                        use `etcdutl snapshot restore`";
            return Err(Told::unsupported(text).into());
        }
        if self.request.disaster_recovery {
            self.check_recovery(cluster)?;
        }
        if self.request.overwrite {
            return Ok(());
        }
        let mut in_the_way = Vec::new();
        for step in self.steps()?.into_iter().filter(|step| step.overwrites) {
            in_the_way.push(step.target);
        }
        if in_the_way.is_empty() {
            return Ok(());
        }
        let shown = in_the_way.get(..NAMED_MAX).unwrap_or(&in_the_way).join(", ");
        let text = format!(
            "in the way on the target ({}): {shown}; restore fewer parts, rename, or overwrite, which removes what the \
             archive does not have",
            in_the_way.len()
        );
        Err(Told::conflict(text).into())
    }

    /// Whether the target can take the place of a cluster that was lost: it is new, all of it serves, and its revision can be
    /// raised above the archived one.
    fn check_recovery(&mut self, cluster: &Cluster) -> Result<(), Error> {
        let silent = members::look(&self.config, cluster)?;
        if let Some(finding) = silent.iter().find(|it| it.severity == Severity::Critical) {
            let text = format!(
                "disaster recovery needs a cluster of which every member serves: {}",
                finding.message
            );
            return Err(Told::unreachable(text).into());
        }
        let everything = KeyRange { from: Vec::new(), to: None };
        let (keys, _) = scan::count(&mut self.client, &everything, 0)?;
        if keys > 0 && !self.request.overwrite {
            let text = format!(
                "disaster recovery is for a new cluster, and this one has {keys} keys; restore without it, or overwrite after one \
                 that did not end"
            );
            return Err(Told::conflict(text).into());
        }
        let wanted = self.archived_revision().unwrap_or_default() + RECOVERY_MARGIN;
        if wanted - cluster.revision > BUMP_MAX {
            let text = format!(
                "the archived revision is more than {BUMP_MAX} above the new cluster's: use a physical snapshot and `etcdutl snapshot \
                 restore --bump-revision --mark-compacted` on every member, or restore without disaster recovery"
            );
            return Err(Told::unsupported(text).into());
        }
        Ok(())
    }

    /// The revision that the keys are of.
    fn archived_revision(&self) -> Option<i64> {
        let revisions =
            self.request.parts.iter().filter_map(|part| part.attribute(REVISION)?.parse().ok());
        revisions.max()
    }

    /// Raises the revision above all that clients of the lost cluster can have seen, and has the store say of all before it
    /// that they are compacted: who remembers one must read everything again, and is told so.
    fn recover(&mut self, reached: i64) -> Result<Finding, Error> {
        let wanted = self.archived_revision().unwrap_or_default() + RECOVERY_MARGIN;
        let raised = if wanted > reached {
            write::bump(&mut self.client, reached, wanted)?
        } else {
            reached
        };
        write::compact(&mut self.client, raised)?;
        let text = format!(
            "the revision was raised from {reached} to {raised}, and all before it are compacted: clients that remember one of the lost \
             cluster are told to read again"
        );
        Ok(Finding::new(Severity::Ok, "revision", text))
    }

    fn steps(&mut self) -> Result<Vec<Step>, Error> {
        let parts = self.stages()?.concat();
        parts.iter().map(|part| self.step(part)).collect()
    }

    fn step(&mut self, part: &Part) -> Result<Step, Error> {
        let step = |action: &str, target: String, overwrites: bool| {
            let mut step = Step::new(&part.id, action, target);
            step.overwrites = overwrites;
            step.bytes_estimate = part.bytes_estimate;
            step
        };
        Ok(match Subject::of(part)? {
            Subject::Keys { .. } => {
                let segments = self.targets.of(part);
                let mut there = 0;
                for segment in segments {
                    there += scan::count(&mut self.client, &segment.target, 0)?.0;
                }
                let name = match segments {
                    [one] => crate::keyspace::shown(&one.target.from),
                    _ => part.id.clone(),
                };
                match there {
                    0 => step("write keys", name, false),
                    there => step("replace keys", format!("{name} ({there} keys are there)"), true),
                }
            }
            Subject::Leases => step("grant those that are missing of", "leases".to_owned(), false),
            Subject::Auth => {
                let there = Auth::read(&mut self.client)?;
                let in_the_way = there.in_the_way(part, self.client.user())?;
                match in_the_way.first() {
                    None => step("make", "users without passwords, and roles".to_owned(), false),
                    Some(_) => step("make or change", in_the_way.join(", "), true),
                }
            }
            Subject::Cluster => {
                step("leave in the archive", "description of the cluster".to_owned(), false)
            }
            Subject::Snapshot => {
                step("leave in the archive", "file for etcdutl snapshot restore".to_owned(), false)
            }
        })
    }

    /// Keys; then leases without keys, so that few of them end before the restore does; then who may do what.
    fn stages(&self) -> Result<Vec<Vec<Part>>> {
        let mut stages: [Vec<Part>; 3] = Default::default();
        let [keys, leases, auth] = &mut stages;
        for part in &self.request.parts {
            match Subject::of(part)? {
                Subject::Keys { .. } | Subject::Cluster | Subject::Snapshot => {
                    keys.push(part.clone())
                }
                Subject::Leases => leases.push(part.clone()),
                Subject::Auth => auth.push(part.clone()),
            }
        }
        Ok(stages.into_iter().filter(|stage| !stage.is_empty()).collect())
    }

    fn import_part(&mut self, part: &Part) -> Result<(), Error> {
        match Subject::of(part)? {
            Subject::Keys { .. } => Importing {
                client: &mut self.client,
                part: &part.id,
                segments: self.targets.of(part),
                overwrite: self.request.overwrite,
            }
            .run(),
            Subject::Leases => grant(&mut self.client, &leases::read()?),
            Subject::Auth => Auth::open()?.restore(&mut self.client),
            Subject::Cluster | Subject::Snapshot => Ok(()),
        }
    }

    /// Looks at the cluster again and raises its revision where that is wanted.
    fn finish(&mut self, before: &Cluster) -> Result<Vec<Finding>, Error> {
        let after = self.look()?;
        let mut findings = after.changes_since(before);
        if self.request.disaster_recovery {
            findings.push(self.recover(after.revision)?);
        } else {
            findings.extend(self.revision(after.revision)?);
        }
        findings.extend(members::look(&self.config, &after)?);
        findings.extend(self.passwords()?);
        Ok(findings)
    }

    fn revision(&mut self, reached: i64) -> Result<Option<Finding>, Error> {
        let Some(archived) = self.archived_revision().filter(|archived| *archived > reached) else {
            return Ok(None);
        };
        let finding = |severity, text| Some(Finding::new(severity, "revision", text));
        if !self.config.bump_revision {
            return Ok(finding(
                Severity::Notice,
                format!(
                    "the target is at revision {reached} and the archive was at {archived}: clients that remember revisions must \
                 start anew, or set `bump-revision`"
                ),
            ));
        }
        if archived - reached > BUMP_MAX {
            return Ok(finding(
                Severity::Warning,
                format!(
                    "the target is at revision {reached}, more than {BUMP_MAX} below the archived {archived}, and was left there: \
                 use a physical snapshot and `etcdutl snapshot restore --bump-revision`"
                ),
            ));
        }
        let raised = write::bump(&mut self.client, reached, archived)?;
        Ok(finding(
            Severity::Ok,
            format!(
                "the revision was raised from {reached} to {raised}; the archived one is {archived}"
            ),
        ))
    }

    /// Users of the archive that the target does not have.
    fn find_new_users(&mut self) -> Result<(), Error> {
        for part in self.request.parts.iter().filter(|part| part.kind == Subject::Auth.kind()) {
            self.new_users = Auth::read(&mut self.client)?.missing_users(part)?;
        }
        Ok(())
    }

    /// Who cannot log in, and whether anybody must.
    fn passwords(&mut self) -> Result<Option<Finding>, Error> {
        if self.new_users.is_empty() {
            return Ok(None);
        }
        let next = if self.client.is_auth_enabled()? {
            ""
        } else {
            "; root first, and then enable authentication (etcdctl auth enable)"
        };
        let shown = self.new_users.get(..NAMED_MAX).unwrap_or(&self.new_users).join(", ");
        let text = format!(
            "users without a password ({}): {shown}; to give one, make the user anew (etcdctl user delete, user add, user \
             grant-role){next}",
            self.new_users.len()
        );
        Ok(Some(Finding::new(Severity::Warning, "no-passwords", text)))
    }
}
