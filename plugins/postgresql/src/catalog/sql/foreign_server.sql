SELECT s.oid, 0 AS sub, '' AS schema, s.srvname AS name, format('SERVER %I', s.srvname) AS address,
  ARRAY[format('CREATE SERVER %I%s%s FOREIGN DATA WRAPPER %I%s', s.srvname,
    CASE WHEN s.srvtype IS NOT NULL THEN format(' TYPE %L', s.srvtype) ELSE '' END,
    CASE WHEN s.srvversion IS NOT NULL THEN format(' VERSION %L', s.srvversion) ELSE '' END, w.fdwname,
    coalesce((SELECT format(' OPTIONS (%s)', string_agg(format('%I %L', o.option_name, o.option_value), ', '))
      FROM pg_options_to_table(s.srvoptions) o HAVING count(*) > 0), ''))] AS statements,
  s.srvowner AS owner, s.srvacl AS acl, 0 AS belongs, false AS late
FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
