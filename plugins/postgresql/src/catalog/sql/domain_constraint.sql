SELECT k.oid, 0 AS sub, n.nspname AS schema, t.typname AS name,
  format('CONSTRAINT %I ON DOMAIN %I.%I', k.conname, n.nspname, t.typname) AS address,
  ARRAY[format('ALTER DOMAIN %I.%I ADD CONSTRAINT %I %s', n.nspname, t.typname, k.conname, pg_get_constraintdef(k.oid))] AS statements,
  NULL::oid AS owner, NULL::aclitem[] AS acl, 0 AS belongs, NOT k.convalidated AS late
FROM pg_constraint k JOIN pg_type t ON t.oid = k.contypid JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE k.contype = 'c' AND {user}
