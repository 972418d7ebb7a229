//! The cluster behind the endpoint: its version, members, leader and alarms.

use lockgate_plugin::{Error as Told, Finding, Severity, printable};
use serde_json::json;

use crate::client::Client;
use crate::config::Config;
use crate::error::Error;
use crate::keyspace::KeyRange;
use crate::limits::QUOTA_PERCENT_MAX;
use crate::message::{Alarm, Alarms, Done, Header, Member, Members, Number, Status};
use crate::scan;

/// What the tests run against, for people.
pub const TESTED: &str = "3.4.23, 3.6.16";
/// The versions whose documentation promises what this plugin needs.
const KNOWN: std::ops::RangeInclusive<(u32, u32)> = (3, 4)..=(3, 6);
const TESTED_MINORS: [(u32, u32); 2] = [(3, 4), (3, 6)];

/// A look at the cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The member that answers.
    pub status: Status,
    /// All members.
    pub members: Vec<Member>,
    /// Raised ones.
    pub alarms: Vec<Alarm>,
    /// Of the store, agreed on by a majority.
    pub revision: i64,
}

impl Cluster {
    /// Asks for everything.
    ///
    /// # Errors
    /// When the server cannot be asked, has no leader, or is of a version that is not worked with.
    pub fn look(client: &mut Client, config: &Config) -> Result<Self, Error> {
        let status: Status = client.ask("/v3/maintenance/status", &json!({}))?;
        admit(&status.version, config.allow_untested_version)?;
        client.keep_to(status.header.cluster_id);
        if status.leader == Number::default() {
            return Err(Told::unreachable("the cluster has no leader: check its members").into());
        }
        let Members { mut members } = client.ask("/v3/cluster/member/list", &json!({}))?;
        members.sort_by_key(|member| member.id);
        let Alarms { alarms } = client.ask("/v3/maintenance/alarm", &json!({}))?;
        let revision = header(client, &config.probe()?)?.revision.signed()?;
        Ok(Self { status, members, alarms, revision })
    }

    /// The cluster's number.
    #[must_use]
    pub fn id(&self) -> Number {
        self.status.header.cluster_id
    }

    /// Whether a write would be refused for lack of space.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.alarms.iter().any(|alarm| alarm.alarm == "NOSPACE")
    }

    fn name_of(&self, id: Number) -> String {
        let member = self.members.iter().find(|member| member.id == id);
        member.map_or_else(|| format!("{:x}", id.0), |member| printable(&member.name))
    }

    /// What an operator should know.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let version = printable(&self.status.version);
        let text = format!(
            "etcd {version} answers; {} of {} members started, leader {}, revision {}",
            self.members.iter().filter(|member| !member.name.is_empty()).count(),
            self.members.len(),
            self.name_of(self.status.leader),
            self.revision
        );
        let mut findings = vec![Finding::new(Severity::Ok, "reachable", text)];
        let mut add =
            |severity, code: &str, text: String| findings.push(Finding::new(severity, code, text));
        if minor(&version).is_none_or(|minor| !TESTED_MINORS.contains(&minor)) {
            let text = format!("etcd {version} was not run in the tests of this plugin ({TESTED})");
            add(Severity::Notice, "version-untested", text);
        }
        for alarm in &self.alarms {
            let text = format!(
                "member {} has raised the alarm {}",
                self.name_of(alarm.member),
                printable(&alarm.alarm)
            );
            add(Severity::Critical, "alarm", text);
        }
        for error in &self.status.errors {
            add(Severity::Warning, "member-error", printable(error));
        }
        let waiting = self.members.iter().filter(|member| member.name.is_empty()).count();
        if waiting > 0 {
            add(
                Severity::Warning,
                "member-not-started",
                format!("{waiting} members have not started yet"),
            );
        }
        let voters = self.members.iter().filter(|member| !member.is_learner).count();
        if voters > 0 && voters % 2 == 0 {
            let text = format!("{voters} members vote: one less would bear as many failures");
            add(Severity::Notice, "members-even", text);
        }
        if self.status.is_learner {
            add(
                Severity::Warning,
                "learner",
                "the endpoint is a learner, which answers few questions".to_owned(),
            );
        }
        let (used, quota) = (self.status.db_size.size(), self.status.db_size_quota.size());
        if quota > 0 && used / quota.div_ceil(100) >= QUOTA_PERCENT_MAX {
            let text = format!(
                "the database has {used} of the {quota} bytes that it may have: compact and defragment it"
            );
            add(Severity::Warning, "space", text);
        }
        findings
    }

    /// What changed since `before`, for the end of a run.
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self
            .findings()
            .into_iter()
            .filter(|finding| finding.severity > Severity::Notice)
            .collect();
        if self.status.leader != before.status.leader {
            let text = format!(
                "the leader changed during the run, from {} to {}",
                before.name_of(before.status.leader),
                self.name_of(self.status.leader)
            );
            findings.push(Finding::new(Severity::Notice, "leader-changed", text));
        }
        let ids =
            |cluster: &Self| cluster.members.iter().map(|member| member.id).collect::<Vec<_>>();
        if ids(self) != ids(before) {
            findings.push(Finding::new(
                Severity::Warning,
                "members-changed",
                "the members changed during the run",
            ));
        }
        findings
    }

    /// For people who rebuild the cluster. Nothing in it changes by itself.
    #[must_use]
    pub fn description(&self) -> serde_json::Value {
        let hex = |number: Number| format!("{:x}", number.0);
        let members = self.members.iter().map(|member| {
            json!({
                "id": hex(member.id), "name": member.name, "learner": member.is_learner,
                "peer-urls": member.peer_urls, "client-urls": member.client_urls,
            })
        });
        let alarms = self.alarms.iter();
        let alarms =
            alarms.map(|alarm| json!({ "member": hex(alarm.member), "alarm": alarm.alarm }));
        json!({
            "cluster": hex(self.id()),
            "leader": hex(self.status.leader),
            "version": self.status.version,
            "members": members.collect::<Vec<_>>(),
            "alarms": alarms.collect::<Vec<_>>(),
        })
    }
}

/// Who answers, and the store's revision, agreed on by a majority of the members.
///
/// # Errors
/// When there is no majority, or the account may not ask for the key.
pub fn header(client: &mut Client, probe: &KeyRange) -> Result<Header, Error> {
    let (_, Done { header, .. }) = scan::count(client, probe, 0)?;
    Ok(header)
}

/// Major and minor.
fn minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn admit(version: &str, allow_untested: bool) -> Result<(), Error> {
    if allow_untested || minor(version).is_some_and(|minor| KNOWN.contains(&minor)) {
        return Ok(());
    }
    let text = format!(
        "etcd {} is not known to this plugin (3.4 to 3.6 are); set `allow-untested-version` to try all the same",
        printable(version)
    );
    Err(Told::unsupported(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(members: &[&str], alarms: &[&str]) -> Cluster {
        let members = members.iter().zip(1..);
        Cluster {
            status: Status { version: "3.5.9".to_owned(), leader: Number(1), ..Status::default() },
            members: members
                .map(|(name, id)| Member {
                    id: Number(id),
                    name: (*name).to_owned(),
                    ..Member::default()
                })
                .collect(),
            alarms: alarms
                .iter()
                .map(|alarm| Alarm { member: Number(1), alarm: (*alarm).to_owned() })
                .collect(),
            revision: 7,
        }
    }

    #[test]
    fn versions_are_admitted_by_what_is_known() {
        for known in ["3.4.0", "3.4.23", "3.5.1-rc.0", "3.6.16"] {
            assert!(admit(known, false).is_ok(), "{known}");
        }
        for unknown in ["3.3.27", "3.7.3", "4.0.0", "2.3", "", "x.y", "3"] {
            assert!(admit(unknown, false).is_err(), "{unknown}");
            assert!(admit(unknown, true).is_ok());
        }
    }

    #[test]
    fn what_is_wrong_is_found() {
        let codes = |cluster: &Cluster| -> Vec<String> {
            cluster.findings().into_iter().map(|finding| finding.code).collect()
        };
        let well = cluster(&["a", "b", "c"], &[]);
        assert_eq!(codes(&well), ["reachable", "version-untested"]);
        let mut ill = cluster(&["a", ""], &["NOSPACE"]);
        ill.status.db_size = Number(90);
        ill.status.db_size_quota = Number(100);
        let expected = [
            "reachable",
            "version-untested",
            "alarm",
            "member-not-started",
            "members-even",
            "space",
        ];
        assert_eq!(codes(&ill), expected);
        assert!(ill.is_full());
        ill.status.leader = Number(2);
        let changes: Vec<String> = ill.changes_since(&well).into_iter().map(|it| it.code).collect();
        assert_eq!(
            changes,
            ["alarm", "member-not-started", "space", "leader-changed", "members-changed"]
        );
    }
}
