SELECT i.oid, 0 AS sub, n.nspname AS schema, i.relname AS name, format('INDEX %I.%I', n.nspname, i.relname) AS address,
  ARRAY[pg_get_indexdef(i.oid)]
    || ARRAY(SELECT format('ALTER INDEX %I.%I ALTER COLUMN %s SET STATISTICS %s', n.nspname, i.relname, a.attnum, a.attstattarget)
      FROM pg_attribute a WHERE a.attrelid = i.oid AND a.attstattarget >= 0 ORDER BY a.attnum)
    || CASE WHEN x.indisclustered THEN ARRAY[format('ALTER TABLE %I.%I CLUSTER ON %I', n.nspname, c.relname, i.relname)] ELSE '{}' END
    || CASE WHEN x.indisreplident THEN ARRAY[format('ALTER TABLE ONLY %I.%I REPLICA IDENTITY USING INDEX %I', n.nspname, c.relname, i.relname)] ELSE '{}' END AS statements,
  NULL::oid AS owner, NULL::aclitem[] AS acl, CASE WHEN c.relkind = 'm' THEN 0 ELSE c.oid END AS belongs, c.relkind = 'm' AS late
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = i.relnamespace
WHERE (x.indisvalid OR i.relkind = 'I') AND x.indisready AND c.relpersistence <> 't' AND c.relkind IN ('r', 'p', 'm') AND {user}
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid AND k.contype IN ('p', 'u', 'x'))
