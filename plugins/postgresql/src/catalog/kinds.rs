//! Which kinds of objects there are, in the order in which they are made when nothing says otherwise.

use crate::catalog::definition::Stage;

/// A kind of object and the query that finds and describes all of its kind.
///
/// A query gives the object's number, the number of the aspect, schema, name, address, the statements that make it, owner,
/// privileges, the number of the table that it belongs to, and whether it waits until all rows are there.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// As in [`crate::catalog::Definition::kind`].
    pub name: &'static str,
    /// The system catalog that numbers the objects.
    pub class: &'static str,
    /// When objects of this kind are made at the earliest.
    pub stage: Stage,
    /// In which `{user}` stands for the condition that the schema `n` is one of the users.
    pub query: &'static str,
}

macro_rules! kinds {
    ($($name:literal, $class:literal, $stage:ident, $file:literal;)*) => {
        /// All kinds.
        pub const KINDS: &[Kind] = &[$(Kind {
            name: $name,
            class: $class,
            stage: Stage::$stage,
            query: include_str!(concat!("sql/", $file, ".sql")),
        }),*];
    };
}

kinds! {
    "schema", "pg_namespace", Before, "schema";
    "extension", "pg_extension", Before, "extension";
    "collation", "pg_collation", Before, "collation";
    "enum", "pg_type", Before, "enum";
    "composite", "pg_type", Before, "composite";
    "domain", "pg_type", Before, "domain";
    "range", "pg_type", Before, "range";
    "routine", "pg_proc", Before, "routine";
    "aggregate", "pg_proc", Before, "aggregate";
    "operator", "pg_operator", Before, "operator";
    "operator-family", "pg_opfamily", Before, "operator_family";
    "operator-class", "pg_opclass", Before, "operator_class";
    "family-operator", "pg_amop", Before, "family_operator";
    "family-function", "pg_amproc", Before, "family_function";
    "cast", "pg_cast", Before, "cast";
    "conversion", "pg_conversion", Before, "conversion";
    "domain-constraint", "pg_constraint", Before, "domain_constraint";
    "dictionary", "pg_ts_dict", Before, "dictionary";
    "search-configuration", "pg_ts_config", Before, "search_configuration";
    "foreign-data-wrapper", "pg_foreign_data_wrapper", Before, "foreign_data_wrapper";
    "foreign-server", "pg_foreign_server", Before, "foreign_server";
    "user-mapping", "pg_user_mapping", Before, "user_mapping";
    "sequence", "pg_class", Before, "sequence";
    "table", "pg_class", Before, "table";
    "identity", "pg_class", Before, "identity";
    "default", "pg_attrdef", Before, "default";
    "check", "pg_constraint", Before, "check";
    "sequence-owner", "pg_class", Before, "sequence_owner";
    "attach", "pg_class", Before, "attach";
    "view", "pg_class", Before, "view";
    "column-grants", "pg_class", Before, "column_grants";
    "key", "pg_constraint", Table, "key";
    "index", "pg_class", Table, "index";
    "attach-index", "pg_class", After, "attach_index";
    "statistics", "pg_statistic_ext", After, "statistics";
    "foreign-key", "pg_constraint", After, "foreign_key";
    "rule", "pg_rewrite", After, "rule";
    "trigger", "pg_trigger", After, "trigger";
    "policy", "pg_policy", After, "policy";
    "row-security", "pg_class", After, "row_security";
    "publication", "pg_publication", After, "publication";
    "publication-table", "pg_publication_rel", After, "publication_table";
    "refresh", "pg_class", After, "refresh";
    "event-trigger", "pg_event_trigger", After, "event_trigger";
    "default-grants", "pg_default_acl", After, "default_grants";
}

const USER: &str = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

impl Kind {
    /// The statement that describes all objects of this kind on a server of a release: beside what the query gives, the
    /// owner's name, the privileges as JSON and the comment.
    pub fn statement(self, major: u32) -> String {
        let (condition, schemas) = match major {
            ..=14 => ("''", "'{}'::text[]"),
            _ => (
                "CASE WHEN r.prqual IS NOT NULL THEN format(' WHERE (%s)', pg_get_expr(r.prqual, r.prrelid)) ELSE '' END",
                "ARRAY(SELECT format('ALTER PUBLICATION %I ADD TABLES IN SCHEMA %I', p.pubname, m.nspname) \
                 FROM pg_publication_namespace s JOIN pg_namespace m ON m.oid = s.pnnspid WHERE s.pnpubid = p.oid ORDER BY 1)",
            ),
        };
        let inner = self
            .query
            .replace("{user}", USER)
            .replace("{publication_where}", condition)
            .replace("{publication_schemas}", schemas);
        let class = self.class;
        format!(
            "SELECT q.oid, q.sub, q.schema, q.name, q.address, to_json(q.statements), pg_get_userbyid(q.owner), \
             CASE WHEN q.acl IS NOT NULL THEN (SELECT coalesce(json_agg(json_build_array(pg_get_userbyid(e.grantor), \
             CASE WHEN e.grantee <> 0 THEN pg_get_userbyid(e.grantee) END, e.privilege_type, e.is_grantable) ORDER BY e.ordinality), \
             '[]') FROM aclexplode(q.acl) WITH ORDINALITY e) END, q.belongs, q.late, \
             CASE WHEN q.sub = 0 THEN obj_description(q.oid, '{class}') END FROM (\n{inner}) q"
        )
    }
}
