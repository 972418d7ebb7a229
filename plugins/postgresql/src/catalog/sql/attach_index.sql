SELECT i.oid, 2 AS sub, n.nspname AS schema, i.relname AS name, format('PARTITION INDEX %I.%I', n.nspname, i.relname) AS address,
  ARRAY[format('ALTER INDEX %I.%I ATTACH PARTITION %I.%I', m.nspname, p.relname, n.nspname, i.relname)] AS statements,
  NULL::oid AS owner, NULL::aclitem[] AS acl, x.indrelid AS belongs, true AS late
FROM pg_inherits h JOIN pg_class i ON i.oid = h.inhrelid JOIN pg_index x ON x.indexrelid = i.oid JOIN pg_namespace n ON n.oid = i.relnamespace
  JOIN pg_class p ON p.oid = h.inhparent JOIN pg_namespace m ON m.oid = p.relnamespace WHERE {user}
