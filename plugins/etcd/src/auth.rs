//! Users, roles and permissions. Passwords are not among what a server tells.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write};

use lockgate_plugin::{Entry, Error as Told, Fingerprint, Part, archive};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::Client;
use crate::error::Error;
use crate::limits::ANSWER_BYTES_MAX;
use crate::message::{Done, Permission, Permissions, Roles, Users};
use crate::part;

/// The entry's name.
pub const ENTRY: &str = "auth.json";
/// The user and the role that may do everything; they are there as soon as authentication is enabled.
pub const ROOT: &str = "root";

/// Who may do what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Whether the cluster asks who somebody is.
    pub enabled: bool,
    /// Roles of each user.
    pub users: BTreeMap<String, BTreeSet<String>>,
    /// What each role may do. Empty for `root`.
    pub roles: BTreeMap<String, BTreeSet<Permission>>,
}

impl Auth {
    /// Asks the server for everything.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn read(client: &mut Client) -> Result<Self, Error> {
        let enabled = client.is_auth_enabled()?;
        let Users { users } = client.ask("/v3/auth/user/list", &json!({}))?;
        let Roles { roles } = client.ask("/v3/auth/role/list", &json!({}))?;
        let mut auth = Self { enabled, ..Self::default() };
        for name in users {
            if let Some(roles) = roles_of(client, &name)? {
                auth.users.insert(name, roles);
            }
        }
        for name in roles {
            if let Some(permissions) = permissions_of(client, &name)? {
                auth.roles.insert(name, permissions);
            }
        }
        Ok(auth)
    }

    /// Writes the entry.
    ///
    /// # Errors
    /// When the host does not take it.
    pub fn write(&self) -> Result<(), Error> {
        let mut writer = archive::create(&Entry::new(ENTRY).with_media_type("application/json"))?;
        writer.write_all(&serde_json::to_vec_pretty(self)?)?;
        Ok(writer.finish()?)
    }

    /// Reads the entry of the part that is imported.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn open() -> Result<Self, Error> {
        let mut text = Vec::new();
        archive::open(ENTRY.as_bytes())?.take(ANSWER_BYTES_MAX).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// The part, which names its users and roles.
    ///
    /// # Errors
    /// Never in practice: names are text.
    pub fn name_in(&self, part: Part) -> Result<Part, Error> {
        let users: Vec<&String> = self.users.keys().collect();
        let roles: Vec<&String> = self.roles.keys().collect();
        Ok(part
            .with_attribute(part::USERS, serde_json::to_string(&users)?)
            .with_attribute(part::ROLES, serde_json::to_string(&roles)?))
    }

    /// Over the users and roles that the part names, so that others on a target do not count.
    ///
    /// # Errors
    /// When the part does not name them.
    pub fn fingerprint(&self, part: &Part) -> Result<String, Error> {
        let (users, roles) = named(part)?;
        let mut fingerprint = Fingerprint::new();
        let missing = BTreeSet::new();
        for name in users {
            let roles = self.users.get(&name);
            fingerprint.add(&name);
            fingerprint.add_number(roles.map_or(u64::MAX, |roles| roles.len() as u64));
            roles.unwrap_or(&missing).iter().for_each(|role| fingerprint.add(role));
        }
        for name in roles {
            let permissions = self.roles.get(&name);
            fingerprint.add(&name);
            fingerprint.add_number(permissions.map_or(u64::MAX, |all| all.len() as u64));
            for permission in permissions.into_iter().flatten() {
                fingerprint.add(&permission.key);
                fingerprint.add(&permission.range_end);
                fingerprint.add(&permission.kind);
            }
        }
        Ok(fingerprint.finish())
    }

    /// Users and roles of the part that are on the server already, but for those that a cluster cannot be without.
    ///
    /// # Errors
    /// When the part does not name them.
    pub fn in_the_way(&self, part: &Part, own_user: Option<&str>) -> Result<Vec<String>, Error> {
        let (users, roles) = named(part)?;
        let users = users.into_iter().filter(|name| self.users.contains_key(name));
        let users = users.filter(|name| name != ROOT && Some(name.as_str()) != own_user);
        let own_roles = own_user.and_then(|user| self.users.get(user)).cloned().unwrap_or_default();
        let roles = roles.into_iter().filter(|name| self.roles.contains_key(name));
        let roles = roles.filter(|name| name != ROOT && !own_roles.contains(name));
        Ok(users
            .map(|name| format!("user {name:?}"))
            .chain(roles.map(|name| format!("role {name:?}")))
            .collect())
    }

    /// Users of the part that are not on the server.
    ///
    /// # Errors
    /// When the part does not name them.
    pub fn missing_users(&self, part: &Part) -> Result<Vec<String>, Error> {
        let (users, _) = named(part)?;
        Ok(users.into_iter().filter(|name| !self.users.contains_key(name)).collect())
    }

    /// Makes roles and users, these without a password, on the server as they are here. What is there and not here stays,
    /// and so does everything of the user who restores.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn restore(&self, client: &mut Client) -> Result<(), Error> {
        let there = Self::read(client)?;
        for (role, permissions) in &self.roles {
            restore_role(client, role, permissions, there.roles.get(role))?;
        }
        for (user, roles) in &self.users {
            restore_user(client, user, roles, there.users.get(user))?;
        }
        Ok(())
    }
}

fn restore_role(
    client: &mut Client,
    role: &str,
    wanted: &BTreeSet<Permission>,
    there: Option<&BTreeSet<Permission>>,
) -> Result<(), Error> {
    if there.is_none() {
        tell(client, "/v3/auth/role/add", &json!({ "name": role }))?;
    }
    let there = there.cloned().unwrap_or_default();
    for one in there.difference(wanted) {
        let body = json!({ "role": role, "key": one.key, "range_end": one.range_end });
        tell(client, "/v3/auth/role/revoke", &body)?;
    }
    for one in wanted.difference(&there) {
        tell(client, "/v3/auth/role/grant", &json!({ "name": role, "perm": one }))?;
    }
    Ok(())
}

fn restore_user(
    client: &mut Client,
    user: &str,
    wanted: &BTreeSet<String>,
    there: Option<&BTreeSet<String>>,
) -> Result<(), Error> {
    if there.is_none() {
        let body = json!({ "name": user, "options": { "no_password": true } });
        tell(client, "/v3/auth/user/add", &body)?;
    }
    let there = there.cloned().unwrap_or_default();
    // Whoever restores would lock itself out, and nobody may take the role `root` from the user `root`.
    let is_kept = user == ROOT || client.user() == Some(user);
    for role in there.difference(wanted).filter(|_| !is_kept) {
        tell(client, "/v3/auth/user/revoke", &json!({ "name": user, "role": role }))?;
    }
    for role in wanted.difference(&there) {
        tell(client, "/v3/auth/user/grant", &json!({ "user": user, "role": role }))?;
    }
    Ok(())
}

fn tell(client: &mut Client, path: &str, body: &serde_json::Value) -> Result<(), Error> {
    client.ask::<Done>(path, body).map(drop).map_err(|error| error.during(path))
}

fn named(part: &Part) -> Result<(Vec<String>, Vec<String>), Error> {
    let names = |key| part.attribute(key).and_then(|text| serde_json::from_str(text).ok());
    match (names(part::USERS), names(part::ROLES)) {
        (Some(users), Some(roles)) => Ok((users, roles)),
        _ => {
            Err(Told::corrupt(format!("part {} does not name its users and roles", part.id)).into())
        }
    }
}

/// None when the user went away in between.
fn roles_of(client: &mut Client, user: &str) -> Result<Option<BTreeSet<String>>, Error> {
    match client.ask::<Roles>("/v3/auth/user/get", &json!({ "name": user })) {
        Ok(Roles { roles }) => Ok(Some(roles.into_iter().collect())),
        Err(error) if error.is_not_there() => Ok(None),
        Err(error) => Err(error),
    }
}

fn permissions_of(client: &mut Client, role: &str) -> Result<Option<BTreeSet<Permission>>, Error> {
    if role == ROOT {
        // Some versions list the permission for everything, which nobody can give or take.
        return Ok(Some(BTreeSet::new()));
    }
    match client.ask::<Permissions>("/v3/auth/role/get", &json!({ "role": role })) {
        Ok(Permissions { perm }) => Ok(Some(perm.into_iter().collect())),
        Err(error) if error.is_not_there() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(users: &[(&str, &[&str])], roles: &[&str]) -> Auth {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Auth {
            enabled: true,
            users: users.iter().map(|(name, roles)| ((*name).to_owned(), set(roles))).collect(),
            roles: roles.iter().map(|name| ((*name).to_owned(), BTreeSet::new())).collect(),
        }
    }

    #[test]
    fn a_fingerprint_counts_what_the_part_names() {
        let saved = auth(&[("ann", &["r"]), ("bob", &[])], &["r", "root"]);
        let part = saved.name_in(Part::new("auth", "auth")).unwrap();
        let fingerprint = saved.fingerprint(&part).unwrap();
        let more = auth(&[("ann", &["r"]), ("bob", &[]), ("eve", &["root"])], &["r", "root", "s"]);
        assert_eq!(more.fingerprint(&part).unwrap(), fingerprint);
        let mut other = saved.clone();
        other.roles.insert("r".to_owned(), BTreeSet::from([Permission::default()]));
        assert_ne!(other.fingerprint(&part).unwrap(), fingerprint);
        other.roles.remove("r");
        assert_ne!(other.fingerprint(&part).unwrap(), fingerprint);
        assert!(saved.fingerprint(&Part::new("auth", "auth")).is_err());
    }

    #[test]
    fn root_and_the_own_account_are_never_in_the_way() {
        let saved =
            auth(&[("ann", &["r"]), ("root", &["root"]), ("keeper", &["k"])], &["r", "root", "k"]);
        let part = saved.name_in(Part::new("auth", "auth")).unwrap();
        assert_eq!(
            saved.in_the_way(&part, Some("keeper")).unwrap(),
            ["user \"ann\"", "role \"r\""]
        );
        assert!(auth(&[], &["root"]).in_the_way(&part, None).unwrap().is_empty());
    }
}
