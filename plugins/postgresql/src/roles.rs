//! Roles with their passwords' hashes, memberships and settings: for all databases of a server.

use lockgate_plugin::host::Stream;
use lockgate_plugin::{Finding, Severity};

use crate::catalog::{Definition, Stage};
use crate::error::Error;
use crate::session::Session;
use crate::sql::{quote_name, quote_text};

/// Settings whose values are lists that the server keeps as it reads them: <https://www.postgresql.org/docs/15/config-setting.html>.
const LISTS: [&str; 6] = [
    "search_path",
    "temp_tablespaces",
    "session_preload_libraries",
    "local_preload_libraries",
    "shared_preload_libraries",
    "unix_socket_directories",
];

/// In front of who gave a membership.
const BY: &str = " GRANTED BY ";

/// Whether the account sees the hashes of passwords.
///
/// # Errors
/// When the server fails.
pub fn sees_passwords<S: Stream>(session: &mut Session<S>) -> Result<bool, Error> {
    let question = "SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')";
    Ok(session.one(question)?.is_true(0))
}

/// A warning when passwords cannot be saved.
///
/// # Errors
/// When the server fails.
pub fn finding<S: Stream>(session: &mut Session<S>) -> Result<Option<Finding>, Error> {
    if sees_passwords(session)? {
        return Ok(None);
    }
    let text =
        "roles are saved without their passwords, because the account may not read pg_authid";
    Ok(Some(Finding::new(Severity::Warning, "passwords-not-saved", text)))
}

/// Name of the account and of the role that the server was made with: a restore leaves both alone.
///
/// # Errors
/// When the server fails.
pub fn kept<S: Stream>(session: &mut Session<S>) -> Result<Vec<String>, Error> {
    let rows =
        session.rows("SELECT rolname FROM pg_roles WHERE oid = 10 OR rolname = session_user")?;
    rows.iter().map(|row| row.owned(0)).collect()
}

/// All roles but those of the server itself.
///
/// # Errors
/// When the server fails.
pub fn read<S: Stream>(
    session: &mut Session<S>,
    passwords: bool,
) -> Result<Vec<Definition>, Error> {
    let catalog = if passwords { "pg_authid" } else { "pg_roles" };
    let password = if passwords { "r.rolpassword" } else { "NULL" };
    let rows = session.rows(&format!(
        "SELECT r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolreplication, r.rolbypassrls, \
           r.rolconnlimit, r.rolvaliduntil::text, {password}, shobj_description(r.oid, 'pg_authid'), \
           (SELECT to_json(s.setconfig) FROM pg_db_role_setting s WHERE s.setrole = r.oid AND s.setdatabase = 0), \
           (SELECT json_agg(json_build_array(g.rolname, to_jsonb(m), pg_get_userbyid(m.grantor)) \
             ORDER BY g.rolname, pg_get_userbyid(m.grantor)) \
             FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid) \
         FROM {catalog} r WHERE r.rolname !~ '^pg_' ORDER BY r.rolname COLLATE \"C\""
    ))?;
    rows.iter().map(|row| role(row, session.server().major)).collect()
}

fn role(row: &crate::wire::row::Row, major: u32) -> Result<Definition, Error> {
    let name = row.owned(0)?;
    let quoted = quote_name(&name);
    let words =
        ["SUPERUSER", "INHERIT", "CREATEROLE", "CREATEDB", "LOGIN", "REPLICATION", "BYPASSRLS"];
    let mut options = String::new();
    for (index, word) in words.iter().enumerate() {
        let no = if row.is_true(index + 1) { "" } else { "NO" };
        options.push_str(&format!(" {no}{word}"));
    }
    options.push_str(&format!(" CONNECTION LIMIT {}", row.number::<i64>(8)?));
    if let Some(until) = row.text(9)? {
        options.push_str(&format!(" VALID UNTIL {}", quote_text(until)));
    }
    let mut statements =
        vec![format!("CREATE ROLE {quoted}"), format!("ALTER ROLE {quoted} WITH{options}")];
    if let Some(comment) = row.text(11)? {
        statements.push(format!("COMMENT ON ROLE {quoted} IS {}", quote_text(comment)));
    }
    for setting in row.json::<Vec<String>>(12)?.unwrap_or_default() {
        statements.push(format!("ALTER ROLE {quoted} {}", set(&setting)));
    }
    // Role, row of pg_auth_members, grantor.
    let members: Vec<(String, serde_json::Value, String)> = row.json(13)?.unwrap_or_default();
    for (of, options, grantor) in members {
        statements.push(membership(&quoted, &of, &options, &grantor, major));
    }
    let password =
        row.text(10)?.map(|hash| format!("ALTER ROLE {quoted} PASSWORD {}", quote_text(hash)));
    Ok(Definition {
        kind: "role".to_owned(),
        schema: String::new(),
        address: format!("ROLE {quoted}"),
        name,
        stage: Stage::Before,
        table: None,
        statements,
        grants: password.into_iter().collect(),
        needs: Vec::new(),
    })
}

fn membership(
    member: &str,
    of: &str,
    options: &serde_json::Value,
    grantor: &str,
    major: u32,
) -> String {
    let is = |key: &str| options.get(key).and_then(serde_json::Value::as_bool).unwrap_or(false);
    let with = match major {
        ..=15 if is("admin_option") => " WITH ADMIN OPTION".to_owned(),
        ..=15 => String::new(),
        _ => format!(
            " WITH ADMIN {}, INHERIT {}, SET {}",
            is("admin_option"),
            is("inherit_option"),
            is("set_option")
        ),
    };
    format!("GRANT {} TO {member}{with}{BY}{}", quote_name(of), quote_name(grantor))
}

/// `SET name TO value` for an element of `setconfig`, which is `name=value`.
pub fn set(setting: &str) -> String {
    let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
    let value = if LISTS.contains(&name) && !value.is_empty() {
        value.to_owned()
    } else {
        quote_text(value)
    };
    let name: Vec<String> = name.split('.').map(quote_name).collect();
    format!("SET {} TO {value}", name.join("."))
}

/// Makes the archived roles: those that are there are kept unless they may be overwritten, and the account that restores
/// always is.
///
/// # Errors
/// When the server refuses.
pub fn restore<S: Stream>(
    session: &mut Session<S>,
    roles: &[Definition],
    overwrite: bool,
) -> Result<(), Error> {
    let kept = kept(session)?;
    let present = session.rows("SELECT rolname FROM pg_roles")?;
    let present: Result<Vec<String>, Error> = present.iter().map(|row| row.owned(0)).collect();
    let present = present?;
    let is_wanted = |role: &&Definition| {
        !kept.contains(&role.name) && (overwrite || !present.contains(&role.name))
    };
    let wanted: Vec<&Definition> = roles.iter().filter(is_wanted).collect();
    session.execute("BEGIN")?;
    let made = make(session, &wanted, &present);
    match made {
        Ok(()) => session.execute("COMMIT").map(drop),
        Err(error) => {
            if session.is_usable() {
                session.execute("ROLLBACK")?;
            }
            Err(error)
        }
    }
}

fn make<S: Stream>(
    session: &mut Session<S>,
    wanted: &[&Definition],
    present: &[String],
) -> Result<(), Error> {
    let mut run = |role: &Definition, statement: &str| {
        session.execute(statement).map(drop).map_err(|error| error.during(&role.address))
    };
    for role in wanted.iter().filter(|role| !present.contains(&role.name)) {
        run(role, role.statements.first().map_or("", String::as_str))?;
    }
    let is_membership = |statement: &&String| statement.starts_with("GRANT ");
    for role in wanted {
        for statement in
            role.statements.iter().skip(1).filter(|statement| !is_membership(statement))
        {
            run(role, statement)?;
        }
        for statement in &role.grants {
            run(role, statement)?;
        }
    }
    // Who may give a membership on must have it first; the server's first role may have another name here.
    let is_there = |name: &str| {
        present
            .iter()
            .chain(wanted.iter().map(|role| &role.name))
            .any(|role| quote_name(role) == name)
    };
    let all = wanted
        .iter()
        .flat_map(|role| role.statements.iter().map(move |statement| (role, statement)));
    let mut memberships: Vec<_> = all.filter(|(_, statement)| is_membership(statement)).collect();
    memberships.sort_by_key(|(_, statement)| !statement.contains(" ADMIN "));
    memberships.into_iter().try_for_each(|(role, statement)| match statement.rsplit_once(BY) {
        Some((grant, grantor)) if !is_there(grantor) => run(role, grant),
        _ => run(role, statement),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_quoted_unless_they_are_lists() {
        assert_eq!(set("work_mem=4MB"), "SET \"work_mem\" TO '4MB'");
        assert_eq!(
            set("search_path=\"$user\", public"),
            "SET \"search_path\" TO \"$user\", public"
        );
        assert_eq!(set("app.x=it's=1"), "SET \"app\".\"x\" TO 'it''s=1'");
    }

    #[test]
    fn memberships_are_written_as_the_release_has_them() {
        let options = serde_json::json!({ "admin_option": true, "set_option": true });
        assert_eq!(
            membership("\"a\"", "b", &options, "c", 15),
            "GRANT \"b\" TO \"a\" WITH ADMIN OPTION GRANTED BY \"c\""
        );
        assert_eq!(
            membership("\"a\"", "b", &options, "c", 16),
            "GRANT \"b\" TO \"a\" WITH ADMIN true, INHERIT false, SET true GRANTED BY \"c\""
        );
    }
}
