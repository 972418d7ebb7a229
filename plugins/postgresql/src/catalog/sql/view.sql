SELECT c.oid, 0 AS sub, n.nspname AS schema, c.relname AS name,
  format('%s %I.%I', CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END, n.nspname, c.relname) AS address,
  ARRAY[format(E'CREATE %sVIEW %I.%I%s%s AS\n%s%s', CASE c.relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END, n.nspname, c.relname,
    coalesce((SELECT format(' USING %I', m.amname) FROM pg_am m WHERE c.relkind = 'm' AND m.oid = c.relam AND m.amname <> 'heap'), ''),
    coalesce((SELECT format(' WITH (%s)', string_agg(format('%I = %L', o.option_name, o.option_value), ', '))
      FROM pg_options_to_table(c.reloptions) o HAVING count(*) > 0), ''),
    rtrim(pg_get_viewdef(c.oid), ';'), CASE c.relkind WHEN 'm' THEN E'\nWITH NO DATA' ELSE '' END)]
    || ARRAY(SELECT format('COMMENT ON COLUMN %I.%I.%I IS %L', n.nspname, c.relname, a.attname, col_description(c.oid, a.attnum))
      FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND col_description(c.oid, a.attnum) IS NOT NULL ORDER BY a.attnum) AS statements,
  c.relowner AS owner, c.relacl AS acl, 0 AS belongs, false AS late
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm') AND c.relpersistence <> 't' AND {user}
