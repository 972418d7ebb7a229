//! Owners and privileges as statements.

use crate::sql::{quote_name, quote_text};

/// Grantor, grantee (none for everybody), privilege, and whether it may be passed on.
pub type Privilege = (String, Option<String>, String, bool);

/// Whose an object is and who may do what with it.
#[derive(Debug)]
pub struct Access<'a> {
    /// Name of the kind.
    pub kind: &'a str,
    /// Says what it is.
    pub address: &'a str,
    /// Of `column-grants`: the column, quoted.
    pub column: Option<&'a str>,
    /// Empty when it has none of its own.
    pub owner: &'a str,
    /// None when they are what every object of its kind has.
    pub privileges: Option<&'a [Privilege]>,
}

/// The statements that give an object its owner and its privileges.
pub fn statements(access: &Access<'_>) -> Vec<String> {
    let mut statements = Vec::new();
    let is_own = !["identity", "column-grants"].contains(&access.kind) && !access.owner.is_empty();
    if is_own {
        statements.push(format!("ALTER {} OWNER TO {}", access.address, quote_name(access.owner)));
    }
    let Some(privileges) = access.privileges else { return statements };
    let object = grant_object(access);
    if access.column.is_none() {
        statements.push(format!("REVOKE ALL ON {object} FROM PUBLIC"));
        if !access.owner.is_empty() {
            statements.push(format!("REVOKE ALL ON {object} FROM {}", quote_name(access.owner)));
        }
    }
    let column = access.column.map_or(String::new(), |column| format!(" ({column})"));
    for (grantor, grantee, privilege, is_grantable) in privileges {
        let grantee = grantee.as_deref().map_or_else(|| "PUBLIC".to_owned(), quote_name);
        let option = if *is_grantable { " WITH GRANT OPTION" } else { "" };
        let grant = format!("GRANT {privilege}{column} ON {object} TO {grantee}{option}");
        // What a superuser grants is the owner's grant.
        if grantor == access.owner || access.owner.is_empty() {
            statements.push(grant);
        } else {
            statements.push(format!("SET SESSION AUTHORIZATION {}", quote_text(grantor)));
            statements.push(grant);
            statements.push("RESET SESSION AUTHORIZATION".to_owned());
        }
    }
    statements
}

/// What GRANT calls it: <https://www.postgresql.org/docs/15/sql-grant.html>.
fn grant_object(access: &Access<'_>) -> String {
    let address = access.address;
    if let (Some(column), Some(whole)) = (access.column, address.strip_prefix("COLUMN ")) {
        let table = whole.strip_suffix(column).and_then(|table| table.strip_suffix('.'));
        return format!("TABLE {}", table.unwrap_or(whole));
    }
    for prefix in ["FOREIGN TABLE ", "MATERIALIZED VIEW ", "VIEW "] {
        if let Some(name) = address.strip_prefix(prefix) {
            return format!("TABLE {name}");
        }
    }
    if let Some(name) = address.strip_prefix("AGGREGATE ") {
        let name =
            name.strip_suffix("(*)").map_or_else(|| name.to_owned(), |name| format!("{name}()"));
        return format!("FUNCTION {name}");
    }
    if address.starts_with("SERVER ") {
        return format!("FOREIGN {address}");
    }
    address.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(
        kind: &str,
        address: &str,
        column: Option<&str>,
        privileges: &[Privilege],
    ) -> Vec<String> {
        statements(&Access { kind, address, column, owner: "me", privileges: Some(privileges) })
    }

    #[test]
    fn privileges_begin_from_nothing() {
        let read = ("me".to_owned(), None, "SELECT".to_owned(), false);
        assert_eq!(
            of("view", "VIEW s.v", None, &[read]),
            [
                "ALTER VIEW s.v OWNER TO \"me\"",
                "REVOKE ALL ON TABLE s.v FROM PUBLIC",
                "REVOKE ALL ON TABLE s.v FROM \"me\"",
                "GRANT SELECT ON TABLE s.v TO PUBLIC",
            ]
        );
    }

    #[test]
    fn the_grantor_is_kept_and_columns_are_named() {
        let passed = ("boss".to_owned(), Some("x\"y".to_owned()), "UPDATE".to_owned(), true);
        assert_eq!(
            of("column-grants", "COLUMN s.t.\"a b\"", Some("\"a b\""), &[passed]),
            [
                "SET SESSION AUTHORIZATION 'boss'",
                "GRANT UPDATE (\"a b\") ON TABLE s.t TO \"x\"\"y\" WITH GRANT OPTION",
                "RESET SESSION AUTHORIZATION",
            ]
        );
        let count = ("me".to_owned(), None, "EXECUTE".to_owned(), false);
        let grants = of("aggregate", "AGGREGATE s.n(*)", None, &[count]);
        assert_eq!(
            grants.last().map(String::as_str),
            Some("GRANT EXECUTE ON FUNCTION s.n() TO PUBLIC")
        );
    }
}
