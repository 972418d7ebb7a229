SELECT e.oid, 0 AS sub, '' AS schema, e.evtname AS name, format('EVENT TRIGGER %I', e.evtname) AS address,
  ARRAY[format('CREATE EVENT TRIGGER %I ON %I%s EXECUTE FUNCTION %s()', e.evtname, e.evtevent,
    coalesce((SELECT format(' WHEN TAG IN (%s)', string_agg(quote_literal(t.tag), ', ')) FROM unnest(e.evttags) AS t(tag) HAVING count(*) > 0), ''),
    e.evtfoid::regproc)]
    || CASE e.evtenabled WHEN 'O' THEN '{}' ELSE ARRAY[format('ALTER EVENT TRIGGER %I %s', e.evtname,
      CASE e.evtenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END)] END AS statements,
  e.evtowner AS owner, NULL::aclitem[] AS acl, 0 AS belongs, true AS late
FROM pg_event_trigger e
