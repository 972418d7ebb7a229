SELECT r.oid, 0 AS sub, n.nspname AS schema, c.relname AS name, format('RULE %I ON %I.%I', r.rulename, n.nspname, c.relname) AS address,
  ARRAY[rtrim(pg_get_ruledef(r.oid), ';')]
    || CASE r.ev_enabled WHEN 'O' THEN '{}' ELSE ARRAY[format('ALTER TABLE %I.%I %s RULE %I', n.nspname, c.relname,
      CASE r.ev_enabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, r.rulename)] END AS statements,
  NULL::oid AS owner, NULL::aclitem[] AS acl, CASE WHEN c.relkind IN ('v', 'm') THEN 0 ELSE c.oid END AS belongs, true AS late
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.rulename <> '_RETURN' AND c.relpersistence <> 't' AND {user}
