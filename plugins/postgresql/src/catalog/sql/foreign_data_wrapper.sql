SELECT w.oid, 0 AS sub, '' AS schema, w.fdwname AS name, format('FOREIGN DATA WRAPPER %I', w.fdwname) AS address,
  ARRAY[format('CREATE FOREIGN DATA WRAPPER %I%s%s%s', w.fdwname,
    CASE WHEN w.fdwhandler <> 0 THEN format(' HANDLER %s', w.fdwhandler::regproc) ELSE '' END,
    CASE WHEN w.fdwvalidator <> 0 THEN format(' VALIDATOR %s', w.fdwvalidator::regproc) ELSE '' END,
    coalesce((SELECT format(' OPTIONS (%s)', string_agg(format('%I %L', o.option_name, o.option_value), ', '))
      FROM pg_options_to_table(w.fdwoptions) o HAVING count(*) > 0), ''))] AS statements,
  w.fdwowner AS owner, w.fdwacl AS acl, 0 AS belongs, false AS late
FROM pg_foreign_data_wrapper w
