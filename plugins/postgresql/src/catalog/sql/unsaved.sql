SELECT x.what, string_agg(x.name, ', ' ORDER BY x.name) FROM (
  SELECT 'base types' AS what, t.oid::regtype::text AS name, 'pg_type'::regclass AS class, t.oid FROM pg_type t
    WHERE t.typtype = 'b' AND t.typelem = 0 OR t.typtype = 'b' AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
  UNION ALL SELECT 'ranges with a canonical function', r.rngtypid::regtype::text, 'pg_type'::regclass, r.rngtypid FROM pg_range r WHERE r.rngcanonical <> 0
  UNION ALL SELECT 'languages', l.lanname, 'pg_language'::regclass, l.oid FROM pg_language l
  UNION ALL SELECT 'access methods', a.amname, 'pg_am'::regclass, a.oid FROM pg_am a
  UNION ALL SELECT 'transforms', format('%s for %s', f.trftype::regtype, l.lanname), 'pg_transform'::regclass, f.oid
    FROM pg_transform f JOIN pg_language l ON l.oid = f.trflang
  UNION ALL SELECT 'text search parsers', p.prsname, 'pg_ts_parser'::regclass, p.oid FROM pg_ts_parser p
  UNION ALL SELECT 'text search templates', t.tmplname, 'pg_ts_template'::regclass, t.oid FROM pg_ts_template t
  UNION ALL SELECT 'subscriptions', s.subname, 'pg_subscription'::regclass, s.oid FROM pg_subscription s
    WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  UNION ALL SELECT 'security labels', format('%s %s', s.objtype, s.objname), NULL, 99999 FROM pg_seclabels s
) x WHERE x.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = x.class AND d.objid = x.oid AND d.deptype = 'e')
GROUP BY x.what ORDER BY x.what
