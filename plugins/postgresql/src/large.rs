//! Large objects: <https://www.postgresql.org/docs/15/largeobjects.html>. Their pages are saved as rows, and put back through
//! a temporary table.

use std::io::{BufRead, Write};

use lockgate_plugin::host::{Host, Stream};
use lockgate_plugin::{Entry, Error as Told, Finding, Part, Severity, Summary};

use crate::catalog::grants::{self, Access, Privilege};
use crate::copy::Format;
use crate::error::Error;
use crate::limits::RANGES_BYTES_MAX;
use crate::session::Session;
use crate::sql::quote_text;
use crate::table;

/// Attribute of the part: the numbers of its objects, as `1-5,9-9`.
const RANGES: &str = "objects";
const OBJECTS: &str = "objects.jsonl";
/// Objects that are read or made at a time.
const OBJECTS_AT_ONCE: usize = 1_000;

/// Whether there are large objects, and whether they can be saved: the numbers and the size of what there is.
///
/// # Errors
/// When the server fails.
pub fn look<S: Stream>(session: &mut Session<S>) -> Result<Option<Objects>, Error> {
    let rows = session.rows(
        "SELECT min(o.oid), max(o.oid), count(*) FROM (SELECT m.oid, m.oid::bigint - row_number() OVER (ORDER BY m.oid) AS run \
         FROM pg_largeobject_metadata m) o GROUP BY o.run ORDER BY 1",
    )?;
    let (mut ranges, mut count) = (Vec::new(), 0_u64);
    for row in &rows {
        ranges.push(format!("{}-{}", row.number::<u32>(0)?, row.number::<u32>(1)?));
        count += row.number::<u64>(2)?;
    }
    if count == 0 {
        return Ok(None);
    }
    let row = session.one(
        "SELECT has_table_privilege('pg_catalog.pg_largeobject', 'SELECT'), pg_relation_size('pg_catalog.pg_largeobject')",
    )?;
    Ok(Some(Objects {
        ranges: ranges.join(","),
        count,
        bytes: row.number(1)?,
        is_readable: row.is_true(0),
    }))
}

/// The large objects of a database.
#[derive(Clone, Debug)]
pub struct Objects {
    ranges: String,
    count: u64,
    bytes: u64,
    /// Whether the account may read them.
    pub is_readable: bool,
}

impl Objects {
    /// The part with what is known of them.
    pub fn describe(&self, mut part: Part) -> Part {
        part.bytes_estimate = Some(self.bytes);
        part.items_estimate = Some(self.count);
        if self.ranges.len() > RANGES_BYTES_MAX {
            return part;
        }
        part.with_attribute(RANGES, &self.ranges)
    }

    /// A warning that they are not saved.
    pub fn finding(&self, database: &str) -> Finding {
        let text = format!(
            "{} large objects of database {database} are not saved, because the account may not read pg_largeobject",
            self.count
        );
        Finding::new(Severity::Warning, "large-objects-not-saved", text)
    }
}

fn copy_out(condition: &str) -> String {
    format!(
        "COPY (SELECT loid, pageno, data FROM pg_largeobject {condition} ORDER BY loid, pageno) TO STDOUT (FORMAT binary)"
    )
}

/// Saves all.
///
/// # Errors
/// When the server or the host fails.
pub fn export<H: Host>(
    host: &H,
    session: &mut Session<H::Stream>,
    part: &Part,
) -> Result<Summary, Error> {
    let mut output = host.create(&Entry::new(OBJECTS).with_media_type("application/jsonl"))?;
    let (mut last, mut count) = (0_u32, 0_u64);
    loop {
        let rows = session.rows(&format!(
            "SELECT m.oid, pg_get_userbyid(m.lomowner), (SELECT json_agg(json_build_array(pg_get_userbyid(e.grantor), \
             CASE WHEN e.grantee <> 0 THEN pg_get_userbyid(e.grantee) END, e.privilege_type, e.is_grantable)) \
             FROM aclexplode(m.lomacl) e), obj_description(m.oid, 'pg_largeobject') \
             FROM pg_largeobject_metadata m WHERE m.oid > {last} ORDER BY m.oid LIMIT {OBJECTS_AT_ONCE}"
        ))?;
        for row in &rows {
            last = row.number(0)?;
            count += 1;
            let object = Object {
                number: last,
                owner: row.owned(1)?,
                privileges: row.json(2)?,
                comment: row.text(3)?.map(str::to_owned),
            };
            let mut line = serde_json::to_vec(&object)?;
            line.push(b'\n');
            output.write_all(&line)?;
        }
        if rows.len() < OBJECTS_AT_ONCE {
            break;
        }
        host.go_on()?;
    }
    output.finish()?;
    let entry =
        Entry::new(Format::Binary.entry()).with_media_type("application/vnd.postgresql.copy");
    let mut output = host.create(&entry)?;
    let copy = copy_out("");
    let tally =
        table::copy_out(host, session, &part.id, &copy, Format::Binary, Some(&mut *output))?;
    output.finish()?;
    let summary = Summary::of_items(count);
    if part.attribute(RANGES).is_none() {
        return Ok(summary);
    }
    Ok(summary.with_fingerprint(format!("{count}-{}", tally.finish()?)))
}

/// A large object but its content.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    number: u32,
    owner: String,
    privileges: Option<Vec<Privilege>>,
    comment: Option<String>,
}

impl Object {
    fn statements(&self, overwrite: bool, owners: bool) -> Vec<String> {
        let Self { number, owner, privileges, comment } = self;
        let mut statements = Vec::new();
        if overwrite {
            statements.push(format!(
                "SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE oid = {number}"
            ));
        }
        statements.push(format!("SELECT lo_create({number})"));
        let address = format!("LARGE OBJECT {number}");
        if let Some(comment) = comment {
            statements.push(format!("COMMENT ON {address} IS {}", quote_text(comment)));
        }
        if owners {
            let access = Access {
                kind: "large-object",
                address: &address,
                column: None,
                owner,
                privileges: privileges.as_deref(),
            };
            statements.extend(grants::statements(&access));
        }
        statements
    }
}

/// A condition that holds for the objects of the part alone.
fn condition(part: &Part, column: &str) -> Result<String, Error> {
    let ranges = part.attribute(RANGES).unwrap_or_default();
    let mut pairs = Vec::new();
    for range in ranges.split(',').filter(|range| !range.is_empty()) {
        let pair = range.split_once('-').and_then(|(from, to)| {
            Some(format!("({}, {})", from.parse::<u32>().ok()?, to.parse::<u32>().ok()?))
        });
        pairs.push(pair.ok_or_else(|| Told::corrupt("a range of large objects is none"))?);
    }
    if pairs.is_empty() {
        return Ok("false".to_owned());
    }
    Ok(format!(
        "EXISTS (SELECT FROM (VALUES {}) AS r(low, high) WHERE {column}::bigint BETWEEN r.low AND r.high)",
        pairs.join(", ")
    ))
}

/// Whether one of the archived objects is there already.
///
/// # Errors
/// When the server fails.
pub fn is_in_the_way<S: Stream>(session: &mut Session<S>, part: &Part) -> Result<bool, Error> {
    let condition = condition(part, "m.oid")?;
    let question =
        format!("SELECT EXISTS (SELECT FROM pg_largeobject_metadata m WHERE {condition})");
    Ok(session.one(&question)?.is_true(0))
}

/// The fingerprint of the archived objects as they are now.
///
/// # Errors
/// When the server fails.
pub fn fingerprint<H: Host>(
    host: &H,
    session: &mut Session<H::Stream>,
    part: &Part,
) -> Result<String, Error> {
    let of_metadata = condition(part, "m.oid")?;
    let count = session
        .one(&format!("SELECT count(*) FROM pg_largeobject_metadata m WHERE {of_metadata}"))?;
    let copy = copy_out(&format!("WHERE {}", condition(part, "loid")?));
    let tally = table::copy_out(host, session, "", &copy, Format::Binary, None)?;
    Ok(format!("{}-{}", count.number::<u64>(0)?, tally.finish()?))
}

/// Puts all back, at once or not at all.
///
/// # Errors
/// When the server refuses, one is there already, or the archive is damaged.
pub fn restore<H: Host>(
    host: &H,
    session: &mut Session<H::Stream>,
    part: &Part,
    overwrite: bool,
    owners: bool,
) -> Result<(), Error> {
    session.execute("BEGIN")?;
    session.execute(
        "CREATE TEMPORARY TABLE lockgate_pages (loid oid, pageno int, data bytea) ON COMMIT DROP",
    )?;
    let mut statements = Vec::new();
    let mut run = |statements: &mut Vec<String>| {
        let all = statements.join(";\n");
        statements.clear();
        session.execute(&all).map(drop)
    };
    for line in host.open(OBJECTS)?.lines() {
        let object: Object = serde_json::from_str(&line?)?;
        statements.extend(object.statements(overwrite, owners));
        if statements.len() > OBJECTS_AT_ONCE {
            run(&mut statements)?;
            host.go_on()?;
        }
    }
    run(&mut statements)?;
    let copy = "COPY pg_temp.lockgate_pages FROM STDIN (FORMAT binary)";
    table::copy_in(host, session, &part.id, copy, Format::Binary)?;
    // In PostgreSQL a page has a quarter of a block.
    session.execute(
        "SELECT count(lo_put(loid, pageno::bigint * (current_setting('block_size')::bigint / 4), data)) FROM pg_temp.lockgate_pages",
    )?;
    session.execute("COMMIT").map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_make_a_condition_and_nothing_else_does() {
        let part = |ranges: &str| {
            Part::new("d/_large-objects", "large-objects").with_attribute(RANGES, ranges)
        };
        let text = condition(&part("1-5,9-9"), "m.oid").unwrap();
        assert!(text.contains("(1, 5), (9, 9)"), "{text}");
        assert_eq!(condition(&part(""), "m.oid").unwrap(), "false");
        assert!(condition(&part("1-5); DROP"), "m.oid").is_err());
    }
}
