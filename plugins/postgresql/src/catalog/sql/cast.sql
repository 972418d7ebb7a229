SELECT c.oid, 0 AS sub, '' AS schema, format('%s AS %s', c.castsource::regtype, c.casttarget::regtype) AS name,
  format('CAST (%s AS %s)', c.castsource::regtype, c.casttarget::regtype) AS address,
  ARRAY[format('CREATE CAST (%s AS %s) %s%s', c.castsource::regtype, c.casttarget::regtype,
    CASE c.castmethod WHEN 'b' THEN 'WITHOUT FUNCTION' WHEN 'i' THEN 'WITH INOUT'
      ELSE format('WITH FUNCTION %s', c.castfunc::regprocedure) END,
    CASE c.castcontext WHEN 'a' THEN ' AS ASSIGNMENT' WHEN 'i' THEN ' AS IMPLICIT' ELSE '' END)] AS statements,
  NULL::oid AS owner, NULL::aclitem[] AS acl, 0 AS belongs, false AS late
FROM pg_cast c WHERE c.oid >= 16384
  -- A range and its multirange bring their own.
  AND NOT EXISTS (SELECT FROM pg_range r WHERE r.rngtypid = c.castsource AND (to_jsonb(r)->>'rngmultitypid')::oid = c.casttarget)
