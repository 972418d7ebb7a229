SELECT t.oid, 0 AS sub, n.nspname AS schema, t.typname AS name, format('TYPE %I.%I', n.nspname, t.typname) AS address,
  ARRAY[format('CREATE TYPE %I.%I AS ENUM (%s)', n.nspname, t.typname,
    (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid))]
    AS statements,
  t.typowner AS owner, t.typacl AS acl, 0 AS belongs, false AS late
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype = 'e' AND {user}
