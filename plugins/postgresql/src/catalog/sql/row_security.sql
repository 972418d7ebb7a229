SELECT c.oid, 3 AS sub, n.nspname AS schema, c.relname AS name, format('ROW SECURITY OF %I.%I', n.nspname, c.relname) AS address,
  CASE WHEN c.relrowsecurity THEN ARRAY[format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY', n.nspname, c.relname)] ELSE '{}' END
    || CASE WHEN c.relforcerowsecurity THEN ARRAY[format('ALTER TABLE %I.%I FORCE ROW LEVEL SECURITY', n.nspname, c.relname)] ELSE '{}' END AS statements,
  NULL::oid AS owner, NULL::aclitem[] AS acl, c.oid AS belongs, true AS late
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (c.relrowsecurity OR c.relforcerowsecurity) AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND {user}
