SELECT o.oid, 0 AS sub, n.nspname AS schema, o.oprname AS name,
  format('OPERATOR %I.%s (%s, %s)', n.nspname, o.oprname, coalesce(nullif(o.oprleft, 0)::regtype::text, 'NONE'),
    coalesce(nullif(o.oprright, 0)::regtype::text, 'NONE')) AS address,
  ARRAY[format('CREATE OPERATOR %I.%s (FUNCTION = %s', n.nspname, o.oprname, o.oprcode)
    || CASE WHEN o.oprleft <> 0 THEN format(', LEFTARG = %s', o.oprleft::regtype) ELSE '' END
    || CASE WHEN o.oprright <> 0 THEN format(', RIGHTARG = %s', o.oprright::regtype) ELSE '' END
    || coalesce((SELECT format(', COMMUTATOR = OPERATOR(%I.%s)', m.nspname, x.oprname) FROM pg_operator x
         JOIN pg_namespace m ON m.oid = x.oprnamespace WHERE x.oid = o.oprcom), '')
    || coalesce((SELECT format(', NEGATOR = OPERATOR(%I.%s)', m.nspname, x.oprname) FROM pg_operator x
         JOIN pg_namespace m ON m.oid = x.oprnamespace WHERE x.oid = o.oprnegate), '')
    || CASE WHEN o.oprrest <> 0 THEN format(', RESTRICT = %s', o.oprrest) ELSE '' END
    || CASE WHEN o.oprjoin <> 0 THEN format(', JOIN = %s', o.oprjoin) ELSE '' END
    || CASE WHEN o.oprcanhash THEN ', HASHES' ELSE '' END || CASE WHEN o.oprcanmerge THEN ', MERGES' ELSE '' END || ')'] AS statements,
  o.oprowner AS owner, NULL::aclitem[] AS acl, 0 AS belongs, false AS late
FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE o.oprcode <> 0 AND {user}
