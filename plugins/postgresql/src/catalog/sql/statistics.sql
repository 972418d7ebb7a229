SELECT s.oid, 0 AS sub, n.nspname AS schema, s.stxname AS name, format('STATISTICS %I.%I', n.nspname, s.stxname) AS address,
  ARRAY[pg_get_statisticsobjdef(s.oid)]
    || CASE WHEN (to_jsonb(s)->>'stxstattarget')::int >= 0
      THEN ARRAY[format('ALTER STATISTICS %I.%I SET STATISTICS %s', n.nspname, s.stxname, to_jsonb(s)->>'stxstattarget')] ELSE '{}' END AS statements,
  s.stxowner AS owner, NULL::aclitem[] AS acl, CASE WHEN c.relkind = 'm' THEN 0 ELSE c.oid END AS belongs, true AS late
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace JOIN pg_class c ON c.oid = s.stxrelid WHERE {user}
