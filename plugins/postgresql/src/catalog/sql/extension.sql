SELECT e.oid, 0 AS sub, n.nspname AS schema, e.extname AS name, format('EXTENSION %I', e.extname) AS address,
  ARRAY[format('CREATE EXTENSION IF NOT EXISTS %I WITH SCHEMA %I', e.extname, n.nspname)] AS statements,
  NULL::oid AS owner, NULL::aclitem[] AS acl, 0 AS belongs, false AS late
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname <> 'plpgsql'
