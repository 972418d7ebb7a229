SELECT f.oid, 0 AS sub, n.nspname AS schema, f.opfname AS name,
  format('OPERATOR FAMILY %I.%I USING %I', n.nspname, f.opfname, a.amname) AS address,
  ARRAY[format('CREATE OPERATOR FAMILY %I.%I USING %I', n.nspname, f.opfname, a.amname)] AS statements,
  f.opfowner AS owner, NULL::aclitem[] AS acl, 0 AS belongs, false AS late
FROM pg_opfamily f JOIN pg_namespace n ON n.oid = f.opfnamespace JOIN pg_am a ON a.oid = f.opfmethod WHERE {user}
