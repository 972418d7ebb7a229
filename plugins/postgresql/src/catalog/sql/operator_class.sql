SELECT c.oid, 0 AS sub, n.nspname AS schema, c.opcname AS name,
  format('OPERATOR CLASS %I.%I USING %I', n.nspname, c.opcname, a.amname) AS address,
  ARRAY[format('CREATE OPERATOR CLASS %I.%I %sFOR TYPE %s USING %I FAMILY %I.%I AS %s', n.nspname, c.opcname,
    CASE WHEN c.opcdefault THEN 'DEFAULT ' ELSE '' END, c.opcintype::regtype, a.amname, m.nspname, f.opfname,
    (SELECT string_agg(x.line, ', ' ORDER BY x.rank, x.number) FROM (
      SELECT 0 AS rank, 0 AS number, format('STORAGE %s', CASE WHEN c.opckeytype = 0 THEN c.opcintype ELSE c.opckeytype END::regtype) AS line
      UNION ALL
      SELECT 1, o.amopstrategy, format('OPERATOR %s %s%s', o.amopstrategy, o.amopopr::regoperator,
        coalesce((SELECT format(' FOR ORDER BY %I.%I', l.nspname, s.opfname) FROM pg_opfamily s JOIN pg_namespace l ON l.oid = s.opfnamespace
          WHERE s.oid = o.amopsortfamily), ''))
      FROM pg_amop o JOIN pg_depend d ON d.classid = 'pg_amop'::regclass AND d.objid = o.oid
        AND d.refclassid = 'pg_opclass'::regclass AND d.refobjid = c.oid
      UNION ALL
      SELECT 2, p.amprocnum, format('FUNCTION %s (%s, %s) %s', p.amprocnum, p.amproclefttype::regtype, p.amprocrighttype::regtype,
        p.amproc::regprocedure)
      FROM pg_amproc p JOIN pg_depend d ON d.classid = 'pg_amproc'::regclass AND d.objid = p.oid
        AND d.refclassid = 'pg_opclass'::regclass AND d.refobjid = c.oid) x))] AS statements,
  c.opcowner AS owner, NULL::aclitem[] AS acl, 0 AS belongs, false AS late
FROM pg_opclass c JOIN pg_namespace n ON n.oid = c.opcnamespace JOIN pg_am a ON a.oid = c.opcmethod
  JOIN pg_opfamily f ON f.oid = c.opcfamily JOIN pg_namespace m ON m.oid = f.opfnamespace WHERE {user}
