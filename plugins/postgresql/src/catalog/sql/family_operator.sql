SELECT x.oid, 0 AS sub, n.nspname AS schema, f.opfname AS name,
  format('MEMBER %s OF OPERATOR FAMILY %I.%I USING %I', x.line, n.nspname, f.opfname, a.amname) AS address,
  ARRAY[format('ALTER OPERATOR FAMILY %I.%I USING %I ADD %s', n.nspname, f.opfname, a.amname, x.line)] AS statements,
  NULL::oid AS owner, NULL::aclitem[] AS acl, 0 AS belongs, false AS late
FROM (SELECT o.oid, o.amopfamily AS family, format('OPERATOR %s %s', o.amopstrategy, o.amopopr::regoperator) AS line FROM pg_amop o) x
  JOIN pg_opfamily f ON f.oid = x.family JOIN pg_namespace n ON n.oid = f.opfnamespace JOIN pg_am a ON a.oid = f.opfmethod
WHERE {user} AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_amop'::regclass AND d.objid = x.oid AND d.refclassid = 'pg_opclass'::regclass)
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_opfamily'::regclass AND e.objid = f.oid AND e.deptype = 'e')
