SELECT t.oid, 0 AS sub, n.nspname AS schema, t.typname AS name, format('DOMAIN %I.%I', n.nspname, t.typname) AS address,
  ARRAY[format('CREATE DOMAIN %I.%I AS %s%s%s%s', n.nspname, t.typname, format_type(t.typbasetype, t.typtypmod),
    CASE WHEN t.typcollation <> b.typcollation AND t.typcollation <> 0
      THEN (SELECT format(' COLLATE %I.%I', m.nspname, l.collname) FROM pg_collation l JOIN pg_namespace m ON m.oid = l.collnamespace
        WHERE l.oid = t.typcollation) ELSE '' END,
    CASE WHEN t.typdefaultbin IS NOT NULL THEN ' DEFAULT ' || pg_get_expr(t.typdefaultbin, 0)
      WHEN t.typdefault IS NOT NULL THEN ' DEFAULT ' || quote_literal(t.typdefault) ELSE '' END,
    CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END)] AS statements,
  t.typowner AS owner, t.typacl AS acl, 0 AS belongs, false AS late
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_type b ON b.oid = t.typbasetype
WHERE t.typtype = 'd' AND {user}
