SELECT k.oid, 0 AS sub, n.nspname AS schema, c.relname AS name, format('CONSTRAINT %I ON %I.%I', k.conname, n.nspname, c.relname) AS address,
  ARRAY[format('ALTER TABLE %s%I.%I ADD CONSTRAINT %I %s', CASE c.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, n.nspname, c.relname, k.conname,
    pg_get_constraintdef(k.oid))] AS statements,
  NULL::oid AS owner, NULL::aclitem[] AS acl, c.oid AS belongs, true AS late
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND c.relpersistence <> 't' AND {user}
