SELECT t.oid, 0 AS sub, n.nspname AS schema, t.typname AS name, format('TYPE %I.%I', n.nspname, t.typname) AS address,
  ARRAY[format('CREATE TYPE %I.%I AS (%s)', n.nspname, t.typname,
    (SELECT string_agg(format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attcollation <> y.typcollation AND a.attcollation <> 0
          THEN (SELECT format(' COLLATE %I.%I', m.nspname, l.collname) FROM pg_collation l JOIN pg_namespace m ON m.oid = l.collnamespace
            WHERE l.oid = a.attcollation) ELSE '' END), ', ' ORDER BY a.attnum)
      FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
      WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped))]
    || ARRAY(SELECT format('COMMENT ON COLUMN %I.%I.%I IS %L', n.nspname, t.typname, a.attname, col_description(t.typrelid, a.attnum))
      FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        AND col_description(t.typrelid, a.attnum) IS NOT NULL ORDER BY a.attnum) AS statements,
  t.typowner AS owner, t.typacl AS acl, 0 AS belongs, false AS late
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_class c ON c.oid = t.typrelid
WHERE t.typtype = 'c' AND c.relkind = 'c' AND {user}
