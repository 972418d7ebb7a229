//! Which server answers: version, leader, and the framework that it is for Mesos.

use lockgate_plugin::{Error, Finding, Result, Severity, printable};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client;
use crate::config::Config;

/// What this plugin was tried on, for people.
pub const TESTED: &str =
    "verified against the recorded protocol of Marathon 1.10, never against a server";
/// The versions whose documentation promises what this plugin needs.
const KNOWN: std::ops::RangeInclusive<(u32, u32)> = (1, 5)..=(1, 11);

/// `/v2/info`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Info {
    version: String,
    leader: Option<String>,
    #[serde(rename = "frameworkId")]
    framework_id: Option<String>,
    marathon_config: Map<String, Value>,
    zookeeper_config: Map<String, Value>,
}

/// Settings that a restore into another Marathon has to know, because definitions rest on them.
const SETTINGS: [&str; 9] = [
    "default_network_name",
    "env_vars_prefix",
    "features",
    "framework_name",
    "local_port_max",
    "local_port_min",
    "mesos_bridge_name",
    "mesos_role",
    "mesos_user",
];

impl Info {
    /// Asks a server that this plugin works with.
    ///
    /// # Errors
    /// When it cannot be asked, or is of a version that is not worked with.
    pub fn ask(config: &Config) -> Result<Self> {
        let info: Self = client::get("/v2/info")?;
        admit(&info.version, config.allow_untested_version)?;
        Ok(info)
    }

    /// Product and version.
    #[must_use]
    pub fn server(&self) -> String {
        format!("Marathon {}", printable(&self.version))
    }

    /// The framework's id at Mesos, by which its tasks are its own. Empty while Marathon has not registered.
    #[must_use]
    pub fn framework(&self) -> String {
        printable(self.framework_id.as_deref().unwrap_or_default())
    }

    /// Where Marathon keeps its state, as `zk://…/marathon`.
    #[must_use]
    pub fn zookeeper(&self) -> String {
        printable(self.zookeeper_config.get("zk").and_then(Value::as_str).unwrap_or_default())
    }

    /// For people who set up another Marathon. Nothing in it changes by itself.
    #[must_use]
    pub fn description(&self) -> Value {
        let settings: Map<String, Value> = SETTINGS
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), self.marathon_config.get(*key)?.clone())))
            .collect();
        json!({
            "version": self.version,
            "framework-id": self.framework_id,
            "zookeeper": self.zookeeper(),
            "settings": settings,
        })
    }

    /// What an operator should know.
    #[must_use]
    pub fn findings(&self, leader_header: Option<&str>) -> Vec<Finding> {
        let server = self.server();
        let leader = self.leader.as_deref().map(printable);
        let mut findings = Vec::new();
        match &leader {
            Some(leader) => {
                let text = format!("{server} answers; {leader} leads");
                findings.push(
                    Finding::new(Severity::Ok, "reachable", text)
                        .with_attribute("framework-id", self.framework())
                        .with_attribute("leader", leader),
                );
            }
            None => {
                let text = format!(
                    "{server} answers, and no one leads: check ZooKeeper, and the other Marathons"
                );
                findings.push(Finding::new(Severity::Critical, "no-leader", text));
            }
        }
        if let (Some(header), Some(leader)) = (leader_header, &leader)
            && !header.ends_with(leader.as_str())
        {
            let text = format!(
                "the leader is {leader}, and the answers come from {header}: it is changing"
            );
            findings.push(Finding::new(Severity::Warning, "leader-changing", text));
        }
        if self.framework().is_empty() {
            let text =
                "Marathon has no framework id: it has not registered at Mesos, and starts nothing";
            findings.push(Finding::new(Severity::Warning, "not-registered", text));
        }
        findings.push(Finding::new(
            Severity::Notice,
            "recorded-protocol",
            format!("this plugin was {TESTED}: rehearse a restore before you rely on it"),
        ));
        findings
    }
}

fn admit(version: &str, is_untested_allowed: bool) -> Result<()> {
    let mut numbers = version.split(['.', '-']).map(str::parse::<u32>);
    let minor = match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    };
    if is_untested_allowed || minor.is_some_and(|minor| KNOWN.contains(&minor)) {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "Marathon {} is not known to this plugin (1.5 to 1.11 are); set `allow-untested-version` to try all the same",
        printable(version)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_admitted_by_what_is_known() {
        for known in ["1.5.0", "1.10.26", "1.11.24", "1.5.0-SNAPSHOT"] {
            assert!(admit(known, false).is_ok(), "{known}");
        }
        for unknown in ["1.4.9", "1.12.0", "2.0.0", "0.15.3", "", "x", "1"] {
            assert!(admit(unknown, false).is_err(), "{unknown}");
            assert!(admit(unknown, true).is_ok());
        }
    }

    #[test]
    fn what_is_wrong_is_found() {
        let codes = |info: &Info, header| -> Vec<String> {
            info.findings(header).into_iter().map(|finding| finding.code).collect()
        };
        let well: Info = serde_json::from_value(json!({
            "version": "1.10.26", "leader": "m1:8080", "frameworkId": "f-0000", "elected": true,
        }))
        .unwrap();
        assert_eq!(codes(&well, Some("http://m1:8080")), ["reachable", "recorded-protocol"]);
        let ill: Info =
            serde_json::from_value(json!({ "version": "1.10.26", "leader": "m1:8080" })).unwrap();
        let expected = ["reachable", "leader-changing", "not-registered", "recorded-protocol"];
        assert_eq!(codes(&ill, Some("http://m2:8080")), expected);
        assert_eq!(codes(&Info::default(), None)[0], "no-leader");
    }

    #[test]
    fn a_description_holds_what_definitions_rest_on_and_nothing_that_moves() {
        let info: Info = serde_json::from_value(json!({
            "version": "1.10.26", "leader": "m1:8080", "frameworkId": "f-0000",
            "marathon_config": {"mesos_role": "*", "hostname": "m1", "features": ["secrets"]},
            "zookeeper_config": {"zk": "zk://z:2181/marathon"},
        }))
        .unwrap();
        let expected = json!({
            "version": "1.10.26", "framework-id": "f-0000", "zookeeper": "zk://z:2181/marathon",
            "settings": {"mesos_role": "*", "features": ["secrets"]},
        });
        assert_eq!(info.description(), expected);
    }
}
