//! Makes archived definitions again.

use lockgate_plugin::Error as Told;
use lockgate_plugin::host::Stream;

use crate::definition::{Definition, Setting};
use crate::error::{Error, ServerError};
use crate::limits::VIEW_PASSES_MAX;
use crate::names::{quote_name, quote_text};
use crate::schema::enter;
use crate::server::Product;
use crate::session::Session;
use crate::users::Account;

const DUPLICATE: [u16; 4] = [1050, 1304, 1359, 1537];

/// Makes options, sequences and routines of a database, and stand-ins for its views: each has the view's columns, so that
/// views of several databases that use each other can be made one database after the other.
///
/// # Errors
/// When something of the same name is there and `overwrite` is not set, or the server refuses.
pub fn make_schema<S: Stream>(
    session: &mut Session<S>,
    database: &str,
    definitions: &[Definition],
    overwrite: bool,
) -> Result<(), Error> {
    enter(session, database)?;
    for definition in definitions {
        match definition {
            Definition::Database { character_set, collation, comment } => {
                set_options(session, database, character_set, collation, comment)?;
            }
            Definition::Sequence { name, sql, next, round } => {
                drop_first(session, overwrite, "SEQUENCE", name)?;
                run(session, sql, name)?;
                let (next, round) = (number(next)?, number(round)?);
                session
                    .rows(&format!("SELECT SETVAL({}, {next}, 0, {round})", quote_name(name)))?;
            }
            Definition::Routine { what, name, sql, setting } => {
                if !["FUNCTION", "PROCEDURE", "PACKAGE", "PACKAGE BODY"].contains(&what.as_str()) {
                    return Err(Told::corrupt(format!("{what:?} is no kind of routine")).into());
                }
                // Packages are only known in the mode that they were made in.
                let drop = format!("DROP {what} IF EXISTS {}", quote_name(name));
                let statements = [drop.as_str(), sql];
                let statements = statements.get(usize::from(!overwrite)..).unwrap_or_default();
                with_setting(session, setting, statements, name)?;
            }
            Definition::ViewColumns { name, columns } => {
                let columns: Vec<String> =
                    columns.iter().map(|column| format!("1 AS {}", quote_name(column))).collect();
                if !columns.is_empty() {
                    drop_first(session, overwrite, "VIEW", name)?;
                    let name = quote_name(name);
                    let create = format!("CREATE VIEW {name} AS SELECT {}", columns.join(", "));
                    run(session, &create, &name)?;
                }
            }
            _ => return Err(misplaced()),
        }
    }
    Ok(())
}

/// Makes views and events of a database. With `replace` what has a view's name is dropped first: an old view, or a
/// stand-in. A stand-in must be gone before another view is made over it, because the server decides then, and keeps,
/// whether the other one can be written through.
///
/// # Errors
/// When a view refers to something that is not there, or the server refuses.
pub fn make_views<S: Stream>(
    session: &mut Session<S>,
    database: &str,
    definitions: &[Definition],
    replace: bool,
) -> Result<(), Error> {
    enter(session, database)?;
    let mut views: Vec<&Definition> =
        definitions.iter().filter(|one| matches!(one, Definition::View { .. })).collect();
    for view in &views {
        let Definition::View { name, .. } = view else { return Err(misplaced()) };
        drop_first(session, replace, "VIEW", name)?;
    }
    for _ in 0..VIEW_PASSES_MAX {
        let before = views.len();
        let mut left = Vec::new();
        for view in views {
            let Definition::View { name, sql, setting } = view else { return Err(misplaced()) };
            match with_setting(session, setting, &[sql], name) {
                Err(error) if error.server().is_some_and(ServerError::is_missing_object) => {
                    left.push((view, error))
                }
                other => other?,
            }
        }
        if left.len() == before {
            let Some((_, error)) = left.into_iter().next() else { break };
            return Err(error.during("views refer to what is not there"));
        }
        views = left.into_iter().map(|(view, _)| view).collect();
    }
    for definition in definitions {
        match definition {
            Definition::View { .. } => {}
            Definition::Event { name, sql, setting } => {
                drop_first(session, replace, "EVENT", name)?;
                with_setting(session, setting, &[sql], name)?;
            }
            _ => return Err(misplaced()),
        }
    }
    Ok(())
}

/// Makes the triggers of a table. Their names are of the database, so `name_suffix` keeps a copy of a table apart.
///
/// # Errors
/// When the server refuses.
pub fn make_triggers<S: Stream>(
    session: &mut Session<S>,
    database: &str,
    table: &str,
    triggers: &[Definition],
    name_suffix: &str,
) -> Result<(), Error> {
    enter(session, database)?;
    for trigger in triggers {
        let Definition::Trigger { name, definer, timing, event, body, setting } = trigger else {
            return Err(misplaced());
        };
        let (user, host) = definer.rsplit_once('@').unwrap_or((definer, ""));
        let definer = match host {
            "" => quote_name(user),
            host => format!("{}@{}", quote_name(user), quote_name(host)),
        };
        let is_word =
            |word: &String| word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b' ');
        if !is_word(timing) || !is_word(event) {
            return Err(misplaced());
        }
        let name = format!("{name}{name_suffix}");
        let sql = format!(
            "CREATE DEFINER={definer} TRIGGER {} {timing} {event} ON {} FOR EACH ROW {body}",
            quote_name(&name),
            quote_name(table)
        );
        with_setting(session, setting, &[&sql], &name)?;
    }
    Ok(())
}

/// Makes accounts and roles, then their grants. The account of the session itself is never touched, others that are
/// there are kept unless `overwrite` is set.
///
/// # Errors
/// When the server refuses an account. Grants on what is not there are left out with a warning in the log.
pub fn make_accounts<S: Stream>(
    session: &mut Session<S>,
    definitions: &[Definition],
    overwrite: bool,
) -> Result<(), Error> {
    let own = session.one("SELECT CURRENT_USER()")?.required(0)?.to_owned();
    let present = crate::users::list(session)?;
    let (mut made, mut made_roles) = (Vec::new(), Vec::new());
    let mut definitions: Vec<&Definition> = definitions.iter().collect();
    // Roles first: accounts may have them as default roles.
    definitions.sort_by_key(|one| !matches!(one, Definition::Account { role: true, .. }));
    for definition in definitions {
        let Definition::Account { user, host, role, create, grants } = definition else {
            return Err(misplaced());
        };
        let account = Account { user: user.clone(), host: host.clone(), is_role: *role };
        let name = account.quoted();
        let is_present = present.contains(&account);
        let is_kept = is_present && (!overwrite || own == format!("{user}@{host}"));
        if is_kept && user != "PUBLIC" {
            log::warn!("account {name} is there already and was kept as it is");
            continue;
        }
        let what = if *role && !create.is_empty() && session.server().product == Product::MariaDb {
            "ROLE"
        } else {
            "USER"
        };
        // An account that is as it was archived is not made anew: it could lose what the restoring account cannot grant.
        if is_present
            && crate::users::read_all(session, std::slice::from_ref(&account))?.first()
                == Some(definition)
        {
            continue;
        }
        if is_present && !create.is_empty() {
            session.execute(&format!("DROP {what} {name}"))?;
        }
        if !create.is_empty() {
            if !create.starts_with("CREATE USER ") && !create.starts_with("CREATE ROLE ") {
                return Err(misplaced());
            }
            run(session, create, &name)?;
        }
        if *role && !create.is_empty() && session.server().product == Product::MariaDb {
            made_roles.push(name.clone());
        }
        made.extend(grants.iter().map(|grant| (name.clone(), grant)));
    }
    for (name, grant) in made {
        if !grant.starts_with("GRANT ") && !grant.starts_with("SET DEFAULT ROLE ") {
            return Err(misplaced());
        }
        match session.execute(grant) {
            Err(error) if error.server().is_some_and(ServerError::is_missing_object) => {
                log::warn!(
                    "a grant of {name} was left out, because what it is on is not there: {error}"
                );
            }
            // Not part of ALL PRIVILEGES, so that hardly any account may give it.
            Err(error) if grant.starts_with("GRANT PROXY ") => {
                log::warn!(
                    "{name} did not get PROXY, which the restoring account cannot give: {error}"
                );
            }
            other => drop(other.map_err(|error| error.during(&format!("granting to {name}")))?),
        }
    }
    // Who makes a role becomes its administrator, which was needed to grant it.
    let (user, host) = own.rsplit_once('@').unwrap_or((&own, ""));
    let own = Account { user: user.to_owned(), host: host.to_owned(), is_role: false };
    for role in made_roles {
        session.execute(&format!("REVOKE {role} FROM {}", own.quoted()))?;
    }
    Ok(())
}

fn set_options<S: Stream>(
    session: &mut Session<S>,
    database: &str,
    character_set: &str,
    collation: &str,
    comment: &str,
) -> Result<(), Error> {
    let comment = match (session.server().product, session.server().version) {
        (Product::MariaDb, (major, minor, _)) if (major, minor) >= (10, 5) => {
            format!(" COMMENT {}", quote_text(comment))
        }
        _ => String::new(),
    };
    let sql = format!(
        "ALTER DATABASE {} CHARACTER SET {} COLLATE {}{comment}",
        quote_name(database),
        quote_text(character_set),
        quote_text(collation)
    );
    session.execute(&sql).map(drop)
}

fn drop_first<S: Stream>(
    session: &mut Session<S>,
    overwrite: bool,
    what: &str,
    name: &str,
) -> Result<(), Error> {
    if overwrite {
        session.execute(&format!("DROP {what} IF EXISTS {}", quote_name(name)))?;
    }
    Ok(())
}

/// Runs statements under the setting that the server is to keep with the object, then goes back to the session's own.
fn with_setting<S: Stream>(
    session: &mut Session<S>,
    setting: &Setting,
    statements: &[&str],
    name: &str,
) -> Result<(), Error> {
    // The text is in UTF-8. A client character set that writes some of it with other bytes cannot be put back.
    let writes_as_is = statements.iter().all(|sql| sql.is_ascii())
        || setting.character_set_client.starts_with("utf8");
    let client = if writes_as_is { setting.character_set_client.as_str() } else { "utf8mb4" };
    let mut set = format!(
        "SET SESSION sql_mode = {}, character_set_client = {}, collation_connection = {}",
        quote_text(setting.sql_mode.as_deref().unwrap_or_default()),
        quote_text(client),
        quote_text(&setting.collation_connection)
    );
    if let Some(zone) = &setting.time_zone {
        set.push_str(&format!(", time_zone = {}", quote_text(zone)));
    }
    session.execute(&set).map_err(|error| error.during(&format!("preparing for {name}")))?;
    let made = statements.iter().try_for_each(|sql| run(session, sql, name));
    session.execute("SET NAMES utf8mb4")?;
    session.execute(RESTORE_SETTING)?;
    made
}

/// What every session of a restore has set.
pub const RESTORE_SETTING: &str =
    "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00'";

fn run<S: Stream>(session: &mut Session<S>, sql: &str, name: &str) -> Result<(), Error> {
    match session.execute(sql) {
        Err(error) if error.server().is_some_and(|it| DUPLICATE.contains(&it.code)) => {
            let text =
                format!("{name} is there already, and overwriting was not asked for: {error}");
            Err(Told::conflict(text).into())
        }
        other => other.map(drop).map_err(|error| error.during(&format!("making {name}"))),
    }
}

/// A number for a statement; sequences may be negative.
fn number(text: &str) -> Result<i128, Error> {
    text.parse().map_err(|_| Told::corrupt(format!("{text:?} is no number")).into())
}

fn misplaced() -> Error {
    Told::corrupt("an archived definition is not of the kind that belongs here").into()
}
