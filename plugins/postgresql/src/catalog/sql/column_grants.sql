SELECT c.oid, 1000 + a.attnum AS sub, n.nspname AS schema, c.relname AS name,
  format('COLUMN %I.%I.%I', n.nspname, c.relname, a.attname) AS address,
  ARRAY[quote_ident(a.attname)] AS statements, c.relowner AS owner, a.attacl AS acl,
  CASE WHEN c.relkind IN ('r', 'p', 'f') THEN c.oid ELSE 0 END AS belongs, false AS late
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.attacl IS NOT NULL AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f', 'v', 'm') AND c.relpersistence <> 't' AND {user}
