SELECT d.oid, 0 AS sub, n.nspname AS schema, d.dictname AS name,
  format('TEXT SEARCH DICTIONARY %I.%I', n.nspname, d.dictname) AS address,
  ARRAY[format('CREATE TEXT SEARCH DICTIONARY %I.%I (TEMPLATE = %I.%I%s)', n.nspname, d.dictname, m.nspname, t.tmplname,
    coalesce(', ' || d.dictinitoption, ''))] AS statements,
  d.dictowner AS owner, NULL::aclitem[] AS acl, 0 AS belongs, false AS late
FROM pg_ts_dict d JOIN pg_namespace n ON n.oid = d.dictnamespace JOIN pg_ts_template t ON t.oid = d.dicttemplate
  JOIN pg_namespace m ON m.oid = t.tmplnamespace WHERE {user}
