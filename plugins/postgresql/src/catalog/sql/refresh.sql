SELECT c.oid, 4 AS sub, n.nspname AS schema, c.relname AS name, format('CONTENT OF %I.%I', n.nspname, c.relname) AS address,
  ARRAY[format('REFRESH MATERIALIZED VIEW %I.%I', n.nspname, c.relname)] AS statements,
  NULL::oid AS owner, NULL::aclitem[] AS acl, 0 AS belongs, true AS late
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'm' AND c.relispopulated AND {user}
