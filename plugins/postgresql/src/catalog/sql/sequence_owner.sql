SELECT c.oid, 1 AS sub, n.nspname AS schema, c.relname AS name, format('OWNER OF SEQUENCE %I.%I', n.nspname, c.relname) AS address,
  ARRAY[format('ALTER SEQUENCE %I.%I OWNED BY %I.%I.%I', n.nspname, c.relname, m.nspname, t.relname, a.attname)] AS statements,
  NULL::oid AS owner, NULL::aclitem[] AS acl, t.oid AS belongs, false AS late
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'a' AND d.refclassid = 'pg_class'::regclass
  JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace m ON m.oid = t.relnamespace
  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE c.relkind = 'S' AND {user}
