SELECT c.oid, 0 AS sub, n.nspname AS schema, c.relname AS name,
  format('%s %I.%I', CASE c.relkind WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, n.nspname, c.relname) AS address,
  ARRAY[format('CREATE %sTABLE %I.%I%s%s%s%s%s%s%s',
    CASE WHEN c.relkind = 'f' THEN 'FOREIGN ' WHEN c.relpersistence = 'u' THEN 'UNLOGGED ' ELSE '' END, n.nspname, c.relname,
    CASE WHEN c.reloftype <> 0 THEN format(' OF %s', c.reloftype::regtype) ELSE format(E' (%s\n)',
      (SELECT string_agg(format(E'\n    %I %s%s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
        coalesce((SELECT format(' OPTIONS (%s)', string_agg(format('%I %L', o.option_name, o.option_value), ', '))
          FROM pg_options_to_table(a.attfdwoptions) o HAVING count(*) > 0), ''),
        CASE WHEN a.attcollation <> y.typcollation AND a.attcollation <> 0
          THEN (SELECT format(' COLLATE %I.%I', m.nspname, l.collname) FROM pg_collation l JOIN pg_namespace m ON m.oid = l.collnamespace
            WHERE l.oid = a.attcollation) ELSE '' END,
        CASE WHEN a.attgenerated = 's' THEN (SELECT format(' GENERATED ALWAYS AS (%s) STORED', pg_get_expr(x.adbin, x.adrelid))
          FROM pg_attrdef x WHERE x.adrelid = c.oid AND x.adnum = a.attnum) ELSE '' END,
        CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END), ',' ORDER BY a.attnum)
      FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND (a.attislocal OR c.relispartition))) END,
    CASE WHEN c.relispartition THEN '' ELSE coalesce((SELECT format(' INHERITS (%s)', string_agg(format('%I.%I', m.nspname, p.relname), ', ' ORDER BY i.inhseqno))
      FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace m ON m.oid = p.relnamespace
      WHERE i.inhrelid = c.oid HAVING count(*) > 0), '') END,
    CASE WHEN c.relkind = 'p' THEN ' PARTITION BY ' || pg_get_partkeydef(c.oid) ELSE '' END,
    coalesce((SELECT format(' SERVER %I', s.srvname) FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid), ''),
    coalesce((SELECT format(' OPTIONS (%s)', string_agg(format('%I %L', o.option_name, o.option_value), ', '))
      FROM pg_foreign_table f, pg_options_to_table(f.ftoptions) o WHERE f.ftrelid = c.oid HAVING count(*) > 0), ''),
    coalesce((SELECT format(' USING %I', m.amname) FROM pg_am m WHERE m.oid = c.relam AND m.amname <> 'heap'), ''),
    coalesce((SELECT format(' WITH (%s)', string_agg(format('%s = %L', w.name, w.value), ', ')) FROM (
      SELECT quote_ident(o.option_name) AS name, o.option_value AS value FROM pg_options_to_table(c.reloptions) o
      UNION ALL SELECT 'toast.' || quote_ident(o.option_name), o.option_value
        FROM pg_class t, pg_options_to_table(t.reloptions) o WHERE t.oid = c.reltoastrelid) w HAVING count(*) > 0), ''))]
    || ARRAY(SELECT x.statement FROM (
      -- What an inherited column, or one of a type, has of its own.
      SELECT 1 AS rank, a.attnum AS number, format('ALTER TABLE ONLY %I.%I ALTER COLUMN %I SET NOT NULL', n.nspname, c.relname, a.attname) AS statement
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull
          AND (c.reloftype <> 0 OR NOT (a.attislocal OR c.relispartition))
      UNION ALL SELECT 2, a.attnum, format('ALTER TABLE ONLY %I.%I ALTER COLUMN %I DROP DEFAULT', n.nspname, c.relname, a.attname)
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT a.atthasdef
          AND NOT a.attislocal AND NOT c.relispartition AND EXISTS (SELECT FROM pg_inherits i JOIN pg_attribute b ON b.attrelid = i.inhparent
            AND b.attname = a.attname WHERE i.inhrelid = c.oid AND b.atthasdef AND b.attgenerated = '')
      UNION ALL SELECT 3, a.attnum, format('ALTER TABLE ONLY %I.%I ALTER COLUMN %I SET STATISTICS %s', n.nspname, c.relname, a.attname, a.attstattarget)
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget >= 0
      UNION ALL SELECT 4, a.attnum, format('ALTER TABLE ONLY %I.%I ALTER COLUMN %I SET STORAGE %s', n.nspname, c.relname, a.attname,
          CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END)
        FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attstorage <> y.typstorage AND c.relkind <> 'f'
      UNION ALL SELECT 5, a.attnum, format('ALTER TABLE ONLY %I.%I ALTER COLUMN %I SET COMPRESSION %s', n.nspname, c.relname, a.attname,
          CASE to_jsonb(a)->>'attcompression' WHEN 'l' THEN 'lz4' ELSE 'pglz' END)
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND to_jsonb(a)->>'attcompression' IN ('l', 'p')
      -- The server counts changes of a column's type in `pg_attver`, and sets it itself.
      UNION ALL SELECT 6, a.attnum, format('ALTER TABLE ONLY %I.%I ALTER COLUMN %I SET (%s)', n.nspname, c.relname, a.attname, o.list)
        FROM pg_attribute a, LATERAL (SELECT string_agg(format('%I = %L', x.option_name, x.option_value), ', ') AS list
          FROM pg_options_to_table(a.attoptions) x WHERE x.option_name <> 'pg_attver') o
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND o.list IS NOT NULL
      UNION ALL SELECT 7, 0, format('ALTER TABLE ONLY %I.%I REPLICA IDENTITY %s', n.nspname, c.relname,
          CASE c.relreplident WHEN 'f' THEN 'FULL' ELSE 'NOTHING' END) WHERE c.relreplident IN ('f', 'n') AND c.relkind <> 'f'
      UNION ALL SELECT 8, a.attnum, format('COMMENT ON COLUMN %I.%I.%I IS %L', n.nspname, c.relname, a.attname, col_description(c.oid, a.attnum))
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND col_description(c.oid, a.attnum) IS NOT NULL
      ) x ORDER BY x.rank, x.number) AS statements,
  c.relowner AS owner, c.relacl AS acl, c.oid AS belongs, false AS late
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND {user}
