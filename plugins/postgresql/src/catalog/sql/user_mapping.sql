SELECT u.umid AS oid, 0 AS sub, '' AS schema, format('%s at %s', u.usename, u.srvname) AS name,
  format('USER MAPPING FOR %s SERVER %I', CASE u.umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(u.usename) END, u.srvname) AS address,
  ARRAY[format('CREATE USER MAPPING FOR %s SERVER %I%s', CASE u.umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(u.usename) END, u.srvname,
    coalesce((SELECT format(' OPTIONS (%s)', string_agg(format('%I %L', o.option_name, o.option_value), ', '))
      FROM pg_options_to_table(u.umoptions) o HAVING count(*) > 0), ''))] AS statements,
  NULL::oid AS owner, NULL::aclitem[] AS acl, 0 AS belongs, false AS late
FROM pg_user_mappings u
