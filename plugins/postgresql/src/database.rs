//! The databases of a server, and what belongs to a database as a whole.

use lockgate_plugin::host::Stream;

use crate::config::Config;
use crate::error::Error;
use crate::maintenance::in_service;
use crate::roles::set;
use crate::session::Session;
use crate::sql::{quote_name, quote_text};

/// The names of the databases that the configuration takes.
///
/// # Errors
/// When there is none, or the server fails.
pub fn list<S: Stream>(session: &mut Session<S>, config: &Config) -> Result<Vec<String>, Error> {
    let rows = session.rows(
        "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname COLLATE \"C\"",
    )?;
    let names: Result<Vec<String>, Error> = rows.iter().map(|row| row.owned(0)).collect();
    let taken: Vec<String> =
        names?.into_iter().filter(|name| config.takes_database(name)).collect();
    if taken.is_empty() {
        let text = "databases: the server has none that is called so";
        return Err(lockgate_plugin::Error::config(text).into());
    }
    Ok(taken)
}

/// Whether there is a database of that name.
///
/// # Errors
/// When the server fails.
pub fn exists<S: Stream>(session: &mut Session<S>, name: &str) -> Result<bool, Error> {
    let question =
        format!("SELECT EXISTS (SELECT FROM pg_database WHERE datname = {})", quote_text(name));
    Ok(session.one(&question)?.is_true(0))
}

/// How the session's database is made: what stands behind `CREATE DATABASE name`.
///
/// # Errors
/// When the server fails.
pub fn options<S: Stream>(session: &mut Session<S>) -> Result<String, Error> {
    let row = session.one(
        "SELECT pg_encoding_to_char(d.encoding), j.d->>'datcollate', j.d->>'datctype', j.d->>'datlocprovider', \
         coalesce(j.d->>'datlocale', j.d->>'daticulocale') \
         FROM pg_database d, LATERAL (SELECT to_jsonb(d) AS d) j WHERE d.datname = current_database()",
    )?;
    let mut options = format!(
        "TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
        quote_text(row.required(0)?),
        quote_text(row.required(1)?),
        quote_text(row.required(2)?)
    );
    if let (Some("i" | "b"), Some(locale)) = (row.text(3)?, row.text(4)?) {
        let (provider, key) = match row.text(3)? {
            Some("i") => ("icu", "ICU_LOCALE"),
            _ => ("builtin", "BUILTIN_LOCALE"),
        };
        options.push_str(&format!(" LOCALE_PROVIDER {provider} {key} {}", quote_text(locale)));
    }
    Ok(options)
}

/// What gives the session's database its owner, privileges, settings and comment; `{database}` stands for its name.
///
/// # Errors
/// When the server fails.
pub fn properties<S: Stream>(session: &mut Session<S>) -> Result<Vec<String>, Error> {
    let row = session.one(
        "SELECT pg_get_userbyid(d.datdba), (SELECT json_agg(json_build_array(e.privilege_type, \
         CASE WHEN e.grantee <> 0 THEN pg_get_userbyid(e.grantee) END, e.is_grantable)) FROM aclexplode(d.datacl) e), \
         d.datacl IS NOT NULL, shobj_description(d.oid, 'pg_database'), d.datconnlimit, \
         (SELECT json_agg(json_build_array(r.rolname, to_json(s.setconfig)) ORDER BY r.rolname) FROM pg_db_role_setting s \
         LEFT JOIN pg_roles r ON r.oid = s.setrole WHERE s.setdatabase = d.oid) \
         FROM pg_database d WHERE d.datname = current_database()",
    )?;
    let owner = quote_name(row.required(0)?);
    let mut statements = vec![format!("ALTER DATABASE {{database}} OWNER TO {owner}")];
    if row.is_true(2) {
        statements.push("REVOKE ALL ON DATABASE {database} FROM PUBLIC".to_owned());
        statements.push(format!("REVOKE ALL ON DATABASE {{database}} FROM {owner}"));
        let privileges: Vec<(String, Option<String>, bool)> = row.json(1)?.unwrap_or_default();
        for (privilege, grantee, is_grantable) in privileges {
            let grantee = grantee.as_deref().map_or_else(|| "PUBLIC".to_owned(), quote_name);
            let option = if is_grantable { " WITH GRANT OPTION" } else { "" };
            statements
                .push(format!("GRANT {privilege} ON DATABASE {{database}} TO {grantee}{option}"));
        }
    }
    if let Some(comment) = row.text(3)? {
        statements.push(format!("COMMENT ON DATABASE {{database}} IS {}", quote_text(comment)));
    }
    let limit: i64 = row.number(4)?;
    if limit >= 0 {
        statements.push(format!("ALTER DATABASE {{database}} CONNECTION LIMIT {limit}"));
    }
    let settings: Vec<(Option<String>, Vec<String>)> = row.json(5)?.unwrap_or_default();
    for (role, settings) in settings {
        let settings = if role.is_none() { in_service(settings) } else { settings };
        for setting in settings {
            let whose = match &role {
                Some(role) => format!("ALTER ROLE {} IN DATABASE {{database}}", quote_name(role)),
                None => "ALTER DATABASE {database}".to_owned(),
            };
            statements.push(format!("{whose} {}", set(&setting)));
        }
    }
    Ok(statements)
}
