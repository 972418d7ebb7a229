//! Roles and what they may do.

use lockgate_plugin::host::Stream;
use lockgate_plugin::printable;
use serde::{Deserialize, Serialize};

use crate::cql::Session;
use crate::error::{Error, code};
use crate::schema::definition;
use crate::schema::names::{qualified, quote_name, quote_text};
use crate::server::Server;

/// The role that every cluster with authentication begins with.
const FIRST: &str = "cassandra";

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Role {
    /// As the server keeps it.
    pub name: String,
    /// Whether it may do everything.
    pub superuser: bool,
    /// Whether clients log in with it.
    pub login: bool,
    /// Of its password, by bcrypt; none without a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Roles that were granted to it.
    pub member_of: Vec<String>,
    /// What it may do: resource, as the server keeps it, and permission.
    pub permissions: Vec<(String, String)>,
}

/// All roles but the first one.
///
/// # Errors
/// When the account may not read them.
pub fn read<S: Stream>(session: &mut Session<S>) -> Result<Vec<Role>, Error> {
    let mut roles = Vec::new();
    let rows = session.rows(
        "SELECT role, is_superuser, can_login, salted_hash, member_of FROM system_auth.roles",
    );
    for row in rows.map_err(|error| error.during("reading the roles (or set roles = false)"))? {
        let mut member_of = row.texts(4, false)?;
        member_of.sort();
        let hash = row.get(3).map(|_| row.text(3).map(str::to_owned)).transpose()?;
        let name = row.text(0)?.to_owned();
        if name != FIRST {
            let (superuser, login) = (row.flag(1), row.flag(2));
            roles.push(Role { name, superuser, login, hash, member_of, permissions: Vec::new() });
        }
    }
    roles.sort_by(|left, right| left.name.cmp(&right.name));
    let rows =
        session.rows("SELECT role, resource, permissions FROM system_auth.role_permissions")?;
    for row in rows {
        let Some(role) = roles.iter_mut().find(|role| row.text(0).is_ok_and(|it| it == role.name))
        else {
            continue;
        };
        let resource = row.text(1)?.to_owned();
        for permission in row.texts(2, false)? {
            role.permissions.push((resource.clone(), permission));
        }
    }
    roles.iter_mut().for_each(|role| role.permissions.sort());
    Ok(roles)
}

/// Equal for roles that are equal as far as a server of this version can be given them.
///
/// # Errors
/// When one has no JSON form.
pub fn fingerprint(roles: &[Role], server: &Server) -> Result<String, Error> {
    let mut roles = roles.to_vec();
    for role in &mut roles {
        role.permissions.retain(|(resource, _)| statement_resource(resource).is_some());
        if !server.takes_hashed_passwords() {
            role.hash = None;
        }
    }
    definition::fingerprint(&roles)
}

/// Makes roles, then what they may do. A role that is there stays as it is, unless it may be overwritten.
///
/// # Errors
/// When the account may not make them.
pub fn make<S: Stream>(
    session: &mut Session<S>,
    roles: &[Role],
    overwrite: bool,
) -> Result<(), Error> {
    let rows = session.rows("SELECT role FROM system_auth.roles")?;
    let present: Result<Vec<&str>, Error> = rows.iter().map(|row| row.text(0)).collect();
    let present = present?;
    let mut made = Vec::new();
    for role in roles {
        let is_there = present.contains(&role.name.as_str());
        if is_there && !overwrite {
            log::info!("role {} is there already and stays as it is", printable(&role.name));
            continue;
        }
        let name = quote_name(&role.name);
        let mut options = format!("SUPERUSER = {} AND LOGIN = {}", role.superuser, role.login);
        match &role.hash {
            Some(hash) if session.server().takes_hashed_passwords() => {
                options.push_str(&format!(" AND HASHED PASSWORD = {}", quote_text(hash)));
            }
            Some(_) => log::warn!(
                "role {} has no password now: this server does not take hashes (Cassandra 4.1 does)",
                printable(&role.name)
            ),
            None => {}
        }
        let verb = if is_there { "ALTER" } else { "CREATE" };
        session.execute(&format!("{verb} ROLE {name} WITH {options}"))?;
        made.push(role);
    }
    for role in made {
        let name = quote_name(&role.name);
        for other in &role.member_of {
            grant(session, &format!("GRANT {} TO {name}", quote_name(other)))?;
        }
        for (resource, permission) in &role.permissions {
            // It stands in a statement as it is.
            let is_word = permission.chars().all(|it| it.is_ascii_uppercase() || it == '_');
            match statement_resource(resource).filter(|_| is_word) {
                Some(resource) => {
                    grant(session, &format!("GRANT {permission} ON {resource} TO {name}"))?;
                }
                None => log::warn!(
                    "{} on {} was not granted to {name} again: grant it by hand",
                    printable(permission),
                    printable(resource)
                ),
            }
        }
    }
    Ok(())
}

/// What it is about may not have been restored.
fn grant<S: Stream>(session: &mut Session<S>, statement: &str) -> Result<(), Error> {
    match session.execute(statement) {
        Err(error) if error.server().is_some_and(|refused| refused.code == code::INVALID) => {
            log::warn!("{}: {error}", printable(statement));
            Ok(())
        }
        other => other,
    }
}

/// A resource of `role_permissions` as it stands in statements; none for single functions, whose types the server keeps in another
/// notation.
fn statement_resource(resource: &str) -> Option<String> {
    let parts: Vec<&str> = resource.split('/').collect();
    Some(match parts.as_slice() {
        ["data"] => "ALL KEYSPACES".to_owned(),
        ["data", keyspace] => format!("KEYSPACE {}", quote_name(keyspace)),
        ["data", keyspace, "*"] => format!("ALL TABLES IN KEYSPACE {}", quote_name(keyspace)),
        ["data", keyspace, table] => format!("TABLE {}", qualified(keyspace, table)),
        ["roles"] => "ALL ROLES".to_owned(),
        ["roles", role] => format!("ROLE {}", quote_name(role)),
        ["functions"] => "ALL FUNCTIONS".to_owned(),
        ["functions", keyspace] => format!("ALL FUNCTIONS IN KEYSPACE {}", quote_name(keyspace)),
        ["mbean"] => "ALL MBEANS".to_owned(),
        ["mbean", name] => format!("MBEAN {}", quote_text(name)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_become_statements() {
        for (resource, statement) in [
            ("data", Some("ALL KEYSPACES")),
            ("data/shop", Some("KEYSPACE \"shop\"")),
            ("data/shop/Orders", Some("TABLE \"shop\".\"Orders\"")),
            ("roles/it's", Some("ROLE \"it's\"")),
            ("functions/shop", Some("ALL FUNCTIONS IN KEYSPACE \"shop\"")),
            ("functions/shop/f[x]", None),
        ] {
            assert_eq!(statement_resource(resource).as_deref(), statement);
        }
    }
}
