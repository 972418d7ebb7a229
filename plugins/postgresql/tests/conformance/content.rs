//! What servers are filled with, made by the server itself.

use std::collections::BTreeMap;

use anyhow::Result;
use lockgate_conformance::{Content, Contents};
use lockgate_servers::PostgreSql;

/// Database of most content.
pub const MAIN: &str = "things";
/// Accounts of the bank.
pub const ACCOUNTS: u32 = 1_000;
/// Longest text that is shown; of a longer one its beginning and a digest.
const SHOWN_BYTES_MAX: usize = 4 << 10;

const ROLES: &str = include_str!("roles.sql");
const OBJECTS: &str = include_str!("objects.sql");

/// Fills an empty server.
pub fn fill(server: &PostgreSql, content: Content) -> Result<()> {
    match content {
        Content::Usual => {
            server.sql("postgres", ROLES)?;
            server.sql(
                "postgres",
                &format!(
                    "CREATE DATABASE {MAIN} OWNER keeper; CREATE DATABASE second OWNER clerk;"
                ),
            )?;
            server.sql(MAIN, OBJECTS)?;
            server.sql(MAIN, &bank())?;
            server.sql(
                "second",
                "CREATE TABLE one (id int PRIMARY KEY); INSERT INTO one VALUES (1)",
            )?;
            server.sql(
                "postgres",
                "COMMENT ON DATABASE second IS 'the other one'; ALTER DATABASE second SET work_mem = '6MB';
                 ALTER ROLE clerk IN DATABASE second SET DateStyle = 'German'; REVOKE CONNECT ON DATABASE second FROM PUBLIC;",
            )?;
        }
        Content::Huge { bytes } => {
            // A field may have 1 GiB less a little, and comes as text in what `pg_dump` writes.
            let bytes = bytes.min(256 << 20);
            database(
                server,
                &format!(
                "CREATE TABLE huge (v bytea); ALTER TABLE huge ALTER COLUMN v SET STORAGE EXTERNAL;
                 INSERT INTO huge SELECT pg_read_binary_file('/dev/urandom', 0, {bytes});"
            ),
            )?;
        }
        Content::Many { count } => database(
            server,
            &format!(
                "CREATE TABLE many (id int PRIMARY KEY, v int NOT NULL); INSERT INTO many SELECT n, n % 997 FROM generate_series(1, {count}) n;"
            ),
        )?,
        Content::Bulk { bytes } => {
            for part in 1..=4 {
                // Columns of 1000 bytes, cut out of some megabytes of random bytes at random places.
                let rows = bytes / 4 / 1_000 + 1;
                let statement = format!(
                    "CREATE TABLE bulk_{part} (id int PRIMARY KEY, v bytea NOT NULL); ALTER TABLE bulk_{part} ALTER COLUMN v SET STORAGE EXTERNAL;
                     INSERT INTO bulk_{part} SELECT n, pg_read_binary_file('/dev/urandom', 0, 1000) FROM generate_series(1, {rows}) n;"
                );
                match part {
                    1 => database(server, &statement)?,
                    _ => server.sql(MAIN, &statement).map(drop)?,
                }
            }
        }
        Content::Odd => odd(server)?,
    }
    Ok(())
}

fn database(server: &PostgreSql, statements: &str) -> Result<()> {
    server.sql("postgres", &format!("CREATE DATABASE {MAIN} OWNER keeper"))?;
    server.sql(MAIN, statements).map(drop)
}

/// Two tables between which money moves.
fn bank() -> String {
    format!(
        "CREATE TABLE public.giro (id int PRIMARY KEY, balance int NOT NULL);
         CREATE TABLE public.savings (id int PRIMARY KEY, balance int NOT NULL);
         INSERT INTO public.giro SELECT n, 1000 FROM generate_series(1, {ACCOUNTS}) n;
         INSERT INTO public.savings SELECT n, 1000 FROM generate_series(1, {ACCOUNTS}) n;
         CREATE PROCEDURE public.move_money() LANGUAGE plpgsql AS $$
           DECLARE a int; b int; m int;
           BEGIN LOOP
             a := 1 + floor(random() * {ACCOUNTS}); b := 1 + floor(random() * {ACCOUNTS}); m := floor(random() * 100);
             UPDATE public.giro SET balance = balance - m WHERE id = a;
             UPDATE public.savings SET balance = balance + m WHERE id = b;
             COMMIT;
             PERFORM nextval('public.moves');
           END LOOP; END $$;
         CREATE SEQUENCE public.moves;"
    )
}

/// Names and values that go wrong elsewhere.
fn odd(server: &PostgreSql) -> Result<()> {
    let names = [
        "..",
        ".",
        "a/b",
        "a\\b",
        "_schema",
        "_after",
        "_roles",
        "%2F",
        "quo\"te",
        "ap'os",
        "sp ace",
        "ünï😀",
        "tab\tnew\nline",
        "\u{7f}\u{1}",
        "$1",
        "$$",
        "--",
        "/*",
        ";",
        "select",
        "UPPER",
        "{}",
        "a.b.c",
        "SCHEMA",
        "&lt;",
        "C:",
        "con",
        "\u{202e}rtl",
    ];
    let longest = "x".repeat(63);
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut statements = String::new();
    for (index, name) in names.into_iter().chain([longest.as_str()]).enumerate() {
        let (schema, other) = (quote(name), quote(names[(index + 1) % names.len()]));
        statements.push_str(&format!(
            "CREATE SCHEMA {schema}; CREATE TYPE {schema}.{schema} AS ENUM ({label}, ''); CREATE SEQUENCE {schema}.s;
             CREATE TABLE {schema}.{other} ({schema} int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, b text,
               c {schema}.{schema} DEFAULT {label},
               d {schema}.{schema}[], n int DEFAULT nextval('{literal}.s'));
             INSERT INTO {schema}.{other} (b, c, d) VALUES
               ({label}, {label}, ARRAY[{label}, '']::{schema}.{schema}[]), ('', NULL, '{{}}'), (NULL, '', NULL);
             CREATE INDEX ON {schema}.{other} (b); CREATE VIEW {schema}.v AS SELECT {schema} AS {other}, b FROM {schema}.{other};
             COMMENT ON TABLE {schema}.{other} IS {label}; CREATE FUNCTION {schema}.f() RETURNS text LANGUAGE sql AS $_body_$ SELECT {label}::text $_body_$;\n",
            label = format!("'{}'", name.replace('\'', "''")),
            literal = schema.replace('\'', "''"),
        ));
    }
    statements.push_str(
        "CREATE TABLE values_ (id int PRIMARY KEY, t text, b bytea, f float8, n numeric, d timestamptz, j jsonb, a text[][], c char(5), v varchar);
         INSERT INTO values_ VALUES (1, repeat('ä', 32768), decode(repeat('00ff', 32768), 'hex'), 'NaN', 'NaN', 'infinity', '{\"\\\\u0001\": \"\\ud83d\\ude00\"}', '{{a,NULL},{\"\",\"{}\"}}', 'x', ''),
           (2, E'\\\\N', '\\x', '-Infinity', '-Infinity', '4713-01-01 BC', 'null', '{}', '', E'\\\\.'),
           (3, E'\\\\.\\n\\t\\r\\x01\\x7f', '\\x00', '-0', 1e1000, '294276-12-31', '[]', NULL, NULL, NULL),
           (4, '', NULL, 5e-324, 0.000, NULL, '1e400', '[3:4]={a,b}', '     ', repeat('🦀', 16384)),
           (5, NULL, NULL, 1.7976931348623157e308, -1e-100, NULL, NULL, NULL, NULL, NULL);
         CREATE TABLE no_columns (); INSERT INTO no_columns SELECT FROM generate_series(1, 3); CREATE TABLE empty (a int);",
    );
    let database = "o\"dd/.. ü;'";
    server.sql(
        "postgres",
        &format!("CREATE DATABASE {}; CREATE ROLE {};", quote(database), quote("o'dd \"role\"/..")),
    )?;
    server.sql(&format!("dbname='{}'", database.replace('\'', "\\'")), &statements)?;
    Ok(())
}

/// Everything that `pg_dump` writes of a server, cut into objects, and the roles.
pub fn contents(server: &PostgreSql) -> Result<Contents> {
    let mut contents = Contents::new();
    let names = server
        .sql("postgres", "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1")?;
    for name in names.lines() {
        let quoted = format!("dbname='{}'", name.replace('\\', "\\\\").replace('\'', "\\'"));
        let dump = server.dump("pg_dump", &[&quoted])?;
        let objects = cut(&dump);
        let is_own = name != "postgres" || !objects.is_empty();
        if is_own {
            contents.insert(format!("{name}:"), String::new());
        }
        for (object, text) in objects {
            contents.insert(format!("{name}: {object}"), shown(&text));
        }
    }
    let roles = server.dump("pg_dumpall", &["--globals-only"])?;
    for line in roles
        .lines()
        .filter(|line| !line.starts_with("--") && !line.starts_with('\\') && !line.is_empty())
    {
        // Those of the server itself, and settings of the dump.
        if !line.starts_with("SET ") && !line.contains(" keeper") && !line.contains("ROLE postgres")
        {
            contents.insert(format!("role: {line}"), String::new());
        }
    }
    let properties = server.sql(
        "postgres",
        "SELECT datname, pg_get_userbyid(datdba), datacl, shobj_description(oid, 'pg_database'), datcollate, datconnlimit,
           (SELECT string_agg(setconfig::text, ';' ORDER BY setconfig) FROM pg_db_role_setting WHERE setdatabase = d.oid)
         FROM pg_database d WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY 1",
    )?;
    contents.extend(properties.lines().map(|line| (format!("database {line}"), String::new())));
    Ok(contents)
}

fn shown(text: &str) -> String {
    match text.get(..SHOWN_BYTES_MAX) {
        None => text.to_owned(),
        Some(front) => format!(
            "{front}... {} bytes, {}",
            text.len(),
            lockgate_plugin::Hasher::hash(text.as_bytes())
        ),
    }
}

/// The objects of a plain dump: each has a heading `-- Name: ...; Type: ...; Schema: ...; Owner: ...`.
fn cut(dump: &str) -> BTreeMap<String, String> {
    let mut objects: BTreeMap<String, String> = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in dump.lines() {
        let heading =
            line.strip_prefix("-- Name: ").or_else(|| line.strip_prefix("-- Data for Name: "));
        if let Some(heading) = heading {
            current = Some(heading.to_owned());
            objects.entry(heading.to_owned()).or_default();
        } else if line == "-- PostgreSQL database dump complete" {
            current = None;
        } else if let Some(name) = &current {
            // A key that changes with every dump.
            let is_noise = line == "--" || line.is_empty() || line.starts_with("\\unrestrict ");
            if !is_noise && let Some(text) = objects.get_mut(name) {
                text.push_str(&normal(line));
                text.push('\n');
            }
        }
    }
    // Rows that were changed and put back are in another order.
    for (name, text) in &mut objects {
        if name.contains("; Type: TABLE DATA; ") {
            let mut lines: Vec<&str> = text.lines().collect();
            lines.sort_unstable();
            *text = lines.join("\n");
        }
    }
    objects
}

/// A list in a CHECK is written in another way once it was restored, also by `pg_dump` and `psql` themselves.
fn normal(line: &str) -> String {
    let Some((front, list)) = line.split_once("(ARRAY[") else { return line.to_owned() };
    let front = front.trim_end_matches('(');
    let list: String = list.chars().filter(|character| !"()[]".contains(*character)).collect();
    let list =
        list.replace("::character varying::text", "::character varying").replace("::text", "");
    format!("{front} ARRAY {list}")
}
