SELECT c.oid, 2 AS sub, n.nspname AS schema, c.relname AS name, format('PARTITION %I.%I', n.nspname, c.relname) AS address,
  ARRAY[format('ALTER TABLE ONLY %I.%I ATTACH PARTITION %I.%I %s', m.nspname, p.relname, n.nspname, c.relname,
    pg_get_expr(c.relpartbound, c.oid))] AS statements,
  NULL::oid AS owner, NULL::aclitem[] AS acl, c.oid AS belongs, false AS late
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_inherits i ON i.inhrelid = c.oid
  JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace m ON m.oid = p.relnamespace
WHERE c.relispartition AND c.relkind IN ('r', 'p', 'f') AND {user}
