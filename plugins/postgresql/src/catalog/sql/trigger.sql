SELECT t.oid, 0 AS sub, n.nspname AS schema, c.relname AS name, format('TRIGGER %I ON %I.%I', t.tgname, n.nspname, c.relname) AS address,
  ARRAY[pg_get_triggerdef(t.oid)]
    || CASE t.tgenabled WHEN 'O' THEN '{}' ELSE ARRAY[format('ALTER TABLE %I.%I %s TRIGGER %I', n.nspname, c.relname,
      CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, t.tgname)] END AS statements,
  NULL::oid AS owner, NULL::aclitem[] AS acl, CASE WHEN c.relkind = 'v' THEN 0 ELSE c.oid END AS belongs, true AS late
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND c.relpersistence <> 't' AND {user} AND NOT EXISTS (SELECT FROM pg_depend d
  WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid AND d.refclassid = 'pg_trigger'::regclass)
