SELECT d.oid, 0 AS sub, n.nspname AS schema, c.relname AS name,
  format('DEFAULT OF COLUMN %I.%I.%I', n.nspname, c.relname, a.attname) AS address,
  ARRAY[format('ALTER TABLE ONLY %I.%I ALTER COLUMN %I SET DEFAULT %s', n.nspname, c.relname, a.attname, pg_get_expr(d.adbin, d.adrelid))] AS statements,
  NULL::oid AS owner, NULL::aclitem[] AS acl, CASE WHEN c.relkind = 'v' THEN 0 ELSE c.oid END AS belongs, false AS late
FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.adnum
WHERE a.attgenerated = '' AND c.relpersistence <> 't' AND {user}
