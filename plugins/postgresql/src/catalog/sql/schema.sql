SELECT n.oid, 0 AS sub, n.nspname AS schema, n.nspname AS name, format('SCHEMA %I', n.nspname) AS address,
  ARRAY[format('CREATE SCHEMA IF NOT EXISTS %I', n.nspname)] AS statements,
  n.nspowner AS owner, n.nspacl AS acl, 0 AS belongs, false AS late
FROM pg_namespace n WHERE {user}
