SELECT c.oid, 0 AS sub, n.nspname AS schema, c.conname AS name, format('CONVERSION %I.%I', n.nspname, c.conname) AS address,
  ARRAY[format('CREATE %sCONVERSION %I.%I FOR %L TO %L FROM %s', CASE WHEN c.condefault THEN 'DEFAULT ' ELSE '' END, n.nspname, c.conname,
    pg_encoding_to_char(c.conforencoding), pg_encoding_to_char(c.contoencoding), c.conproc)] AS statements,
  c.conowner AS owner, NULL::aclitem[] AS acl, 0 AS belongs, false AS late
FROM pg_conversion c JOIN pg_namespace n ON n.oid = c.connamespace WHERE {user}
