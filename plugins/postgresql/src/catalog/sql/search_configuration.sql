SELECT c.oid, 0 AS sub, n.nspname AS schema, c.cfgname AS name,
  format('TEXT SEARCH CONFIGURATION %I.%I', n.nspname, c.cfgname) AS address,
  ARRAY[format('CREATE TEXT SEARCH CONFIGURATION %I.%I (PARSER = %I.%I)', n.nspname, c.cfgname, m.nspname, p.prsname)]
    || ARRAY(SELECT format('ALTER TEXT SEARCH CONFIGURATION %I.%I ADD MAPPING FOR %I WITH %s', n.nspname, c.cfgname, k.alias,
        string_agg(x.mapdict::regdictionary::text, ', ' ORDER BY x.mapseqno))
      FROM pg_ts_config_map x JOIN ts_token_type(c.cfgparser) k ON k.tokid = x.maptokentype
      WHERE x.mapcfg = c.oid GROUP BY k.alias, x.maptokentype ORDER BY x.maptokentype) AS statements,
  c.cfgowner AS owner, NULL::aclitem[] AS acl, 0 AS belongs, false AS late
FROM pg_ts_config c JOIN pg_namespace n ON n.oid = c.cfgnamespace JOIN pg_ts_parser p ON p.oid = c.cfgparser
  JOIN pg_namespace m ON m.oid = p.prsnamespace WHERE {user}
