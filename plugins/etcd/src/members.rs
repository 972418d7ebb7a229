//! A look at each member that the configuration names, one by one.

use lockgate_plugin::{Error as Told, Finding, Severity, printable};

use crate::client::Client;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::error::Error;

/// Whether each serves what a majority agrees on, all are of one cluster, and all follow one leader. Nothing when the
/// configuration names no members.
///
/// # Errors
/// When the configuration names them wrongly.
pub fn look(config: &Config, cluster: &Cluster) -> Result<Vec<Finding>, Error> {
    let endpoints = config.endpoints()?;
    if endpoints.len() < 2 {
        return Ok(Vec::new());
    }
    let mut findings = Vec::new();
    for endpoint in endpoints {
        let looked = Cluster::look(&mut Client::of(vec![endpoint.clone()]), config);
        findings.push(finding(&endpoint, looked, cluster));
    }
    Ok(findings)
}

fn finding(endpoint: &str, looked: Result<Cluster, Error>, cluster: &Cluster) -> Finding {
    let critical = |code: &str, text: String| Finding::new(Severity::Critical, code, text);
    let seen = match looked {
        Ok(seen) => seen,
        Err(error) => {
            let text =
                format!("the member at endpoint {endpoint} does not serve: {}", Told::from(error));
            return critical("member-silent", text);
        }
    };
    if seen.id() != cluster.id() {
        return critical(
            "member-foreign",
            format!("endpoint {endpoint} is a member of another cluster"),
        );
    }
    if seen.status.leader != cluster.status.leader {
        return critical(
            "leader",
            format!("the member at endpoint {endpoint} follows another leader"),
        );
    }
    let own = seen.status.header.member_id;
    let name =
        seen.members.iter().find(|member| member.id == own).map_or("", |member| &member.name);
    let role = if own == seen.status.leader { "leader" } else { "follower" };
    let text = format!(
        "member {} at endpoint {endpoint} serves as {role}, at revision {}",
        printable(name),
        seen.revision
    );
    Finding::new(Severity::Ok, "member-serves", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Header, Number, Status};

    fn cluster(id: i128, leader: i128) -> Cluster {
        let header =
            Header { cluster_id: Number(id), member_id: Number(leader), ..Header::default() };
        let status = Status { header, leader: Number(leader), ..Status::default() };
        Cluster { status, members: Vec::new(), alarms: Vec::new(), revision: 7 }
    }

    #[test]
    fn a_member_serves_or_is_critical() {
        let code = |looked| finding("b", looked, &cluster(1, 2)).code;
        assert_eq!(code(Ok(cluster(1, 2))), "member-serves");
        assert_eq!(code(Ok(cluster(3, 2))), "member-foreign");
        assert_eq!(code(Ok(cluster(1, 4))), "leader");
        assert_eq!(code(Err(Told::unreachable("refused").into())), "member-silent");
    }
}
