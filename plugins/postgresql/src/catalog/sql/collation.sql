SELECT c.oid, 0 AS sub, n.nspname AS schema, c.collname AS name, format('COLLATION %I.%I', n.nspname, c.collname) AS address,
  ARRAY[format('CREATE COLLATION %I.%I (provider = %s, deterministic = %s, %s%s)', n.nspname, c.collname,
    CASE c.collprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END, CASE WHEN c.collisdeterministic THEN 'true' ELSE 'false' END,
    CASE WHEN c.collprovider = 'c' THEN format('lc_collate = %L, lc_ctype = %L', j.c->>'collcollate', j.c->>'collctype')
      ELSE format('locale = %L', coalesce(j.c->>'colllocale', j.c->>'colliculocale', j.c->>'collcollate')) END,
    CASE WHEN j.c->>'collicurules' IS NOT NULL THEN format(', rules = %L', j.c->>'collicurules') ELSE '' END)] AS statements,
  c.collowner AS owner, NULL::aclitem[] AS acl, 0 AS belongs, false AS late
FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace, LATERAL (SELECT to_jsonb(c) AS c) j WHERE {user}
