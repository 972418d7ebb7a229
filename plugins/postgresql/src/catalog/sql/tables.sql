SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpages::bigint * current_setting('block_size')::bigint AS bytes,
  greatest(c.reltuples, 0)::bigint AS items,
  (SELECT json_agg(json_build_array(m.nspname, p.relname)) FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
    JOIN pg_namespace m ON m.oid = p.relnamespace WHERE i.inhrelid = c.oid) AS parents,
  x.extname, x.condition, c.relispartition
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  LEFT JOIN (SELECT e.extname, t.id, (e.extcondition)[t.number] AS condition FROM pg_extension e,
    unnest(e.extconfig) WITH ORDINALITY AS t(id, number)) x ON x.id = c.oid
WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_(toast|temp)' AND n.nspname NOT IN ('information_schema', 'pg_catalog')
  AND (d.objid IS NULL OR x.id IS NOT NULL)
ORDER BY n.nspname, c.relname
