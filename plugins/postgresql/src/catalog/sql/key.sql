SELECT k.oid, 0 AS sub, n.nspname AS schema, c.relname AS name, format('CONSTRAINT %I ON %I.%I', k.conname, n.nspname, c.relname) AS address,
  ARRAY[format('ALTER TABLE ONLY %I.%I ADD CONSTRAINT %I %s', n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid))]
    || CASE WHEN i.reloptions IS NOT NULL THEN ARRAY[format('ALTER INDEX %I.%I SET (%s)', n.nspname, i.relname,
      (SELECT string_agg(format('%I = %L', o.option_name, o.option_value), ', ') FROM pg_options_to_table(i.reloptions) o))] ELSE '{}' END
    || CASE WHEN x.indisclustered THEN ARRAY[format('ALTER TABLE %I.%I CLUSTER ON %I', n.nspname, c.relname, i.relname)] ELSE '{}' END
    || CASE WHEN x.indisreplident THEN ARRAY[format('ALTER TABLE ONLY %I.%I REPLICA IDENTITY USING INDEX %I', n.nspname, c.relname, i.relname)] ELSE '{}' END
    || CASE WHEN obj_description(i.oid, 'pg_class') IS NOT NULL
      THEN ARRAY[format('COMMENT ON INDEX %I.%I IS %L', n.nspname, i.relname, obj_description(i.oid, 'pg_class'))] ELSE '{}' END AS statements,
  NULL::oid AS owner, NULL::aclitem[] AS acl, c.oid AS belongs, false AS late
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_class i ON i.oid = k.conindid JOIN pg_index x ON x.indexrelid = i.oid
WHERE k.contype IN ('p', 'u', 'x') AND c.relpersistence <> 't' AND {user}
