SELECT t.oid, 0 AS sub, n.nspname AS schema, t.typname AS name, format('TYPE %I.%I', n.nspname, t.typname) AS address,
  ARRAY[format('CREATE TYPE %I.%I AS RANGE (subtype = %s, subtype_opclass = %s%s%s%s)', n.nspname, t.typname,
    format_type(r.rngsubtype, NULL),
    (SELECT format('%I.%I', m.nspname, o.opcname) FROM pg_opclass o JOIN pg_namespace m ON m.oid = o.opcnamespace WHERE o.oid = r.rngsubopc),
    CASE WHEN r.rngcollation <> 0 THEN (SELECT format(', collation = %I.%I', m.nspname, l.collname)
      FROM pg_collation l JOIN pg_namespace m ON m.oid = l.collnamespace WHERE l.oid = r.rngcollation) ELSE '' END,
    CASE WHEN r.rngsubdiff <> 0 THEN format(', subtype_diff = %s', r.rngsubdiff) ELSE '' END,
    coalesce((SELECT format(', multirange_type_name = %I.%I', m.nspname, u.typname) FROM pg_type u JOIN pg_namespace m ON m.oid = u.typnamespace
      WHERE u.oid = (to_jsonb(r)->>'rngmultitypid')::oid), ''))] AS statements,
  t.typowner AS owner, t.typacl AS acl, 0 AS belongs, false AS late
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_range r ON r.rngtypid = t.oid
WHERE t.typtype = 'r' AND r.rngcanonical = 0 AND {user}
