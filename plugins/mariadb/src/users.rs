//! Accounts, roles and grants.

use lockgate_plugin::host::Stream;

use crate::definition::Definition;
use crate::error::Error;
use crate::names::quote_text;
use crate::server::Product;
use crate::session::Session;

/// Accounts that the server makes and manages itself.
const SYSTEM_ACCOUNTS: [&str; 4] =
    ["mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema"];

const NO_SUCH_ACCOUNT: [u16; 3] = [1133, 1141, 1269];

/// An account by its two names; a role of MariaDB has an empty host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    /// The user name.
    pub user: String,
    /// Where from.
    pub host: String,
    /// Whether nobody can log in as it.
    pub is_role: bool,
}

impl Account {
    /// As SQL.
    pub fn quoted(&self) -> String {
        let user = quote_text(&self.user);
        // A role is named without a host, and PUBLIC without quotes.
        match (self.is_role, self.user.as_str()) {
            (true, "PUBLIC") => self.user.clone(),
            (true, _) => user,
            (false, _) => format!("{user}@{}", quote_text(&self.host)),
        }
    }
}

/// Lists the accounts that are not the server's own, by name.
///
/// # Errors
/// When the account of the session may not read `mysql.user`.
pub fn list<S: Stream>(session: &mut Session<S>) -> Result<Vec<Account>, Error> {
    let is_role = match session.server().product {
        Product::MariaDb => "is_role = 'Y'",
        Product::MySql => "FALSE",
    };
    let rows = session.rows(&format!("SELECT User, Host, {is_role} FROM mysql.user"));
    let rows = rows.map_err(|error| error.during("listing the accounts"))?;
    let mut accounts = Vec::new();
    for row in rows {
        let user = row.required(0)?.to_owned();
        if !SYSTEM_ACCOUNTS.contains(&user.as_str()) {
            let host = row.required(1)?.to_owned();
            accounts.push(Account { user, host, is_role: row.number(2) == Some(1) });
        }
    }
    accounts.sort();
    Ok(accounts)
}

/// Reads the definitions and the grants of accounts. A server that does not resolve names leaves out accounts with the name
/// of a host: they are of no use there, and a warning in the log names them.
///
/// # Errors
/// When the server does not show them.
pub fn read_all<S: Stream>(
    session: &mut Session<S>,
    accounts: &[Account],
) -> Result<Vec<Definition>, Error> {
    let mut definitions = Vec::new();
    for account in accounts {
        match read(session, account) {
            Err(error) if error.server().is_some_and(|it| NO_SUCH_ACCOUNT.contains(&it.code)) => {
                log::warn!("account {} is not in use at the server: {error}", account.quoted());
            }
            read => definitions.push(read?),
        }
    }
    Ok(definitions)
}

fn read<S: Stream>(session: &mut Session<S>, account: &Account) -> Result<Definition, Error> {
    let name = account.quoted();
    let create = if account.is_role {
        // PUBLIC is there always.
        if account.user == "PUBLIC" { String::new() } else { format!("CREATE ROLE {name}") }
    } else {
        if session.server().product == Product::MySql {
            // Hashes of MySQL hold bytes that are not text.
            session.set_if_known("print_identified_with_as_hex", "1")?;
        }
        session.one(&format!("SHOW CREATE USER {name}"))?.required(0)?.to_owned()
    };
    let mut grants = Vec::new();
    for row in session.rows(&format!("SHOW GRANTS FOR {name}"))? {
        grants.push(row.required(0)?.to_owned());
    }
    // The server lists them in no particular order. A default role must come after the role was granted.
    grants.sort_by_key(|grant| (grant.starts_with("SET DEFAULT ROLE"), grant.clone()));
    let Account { user, host, is_role: role } = account.clone();
    Ok(Definition::Account { user, host, role, create, grants })
}
