SELECT p.oid, 0 AS sub, n.nspname AS schema, p.proname AS name,
  format('%s %I.%I(%s)', CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, n.nspname, p.proname,
    pg_get_function_identity_arguments(p.oid)) AS address,
  ARRAY['CREATE' || substr(pg_get_functiondef(p.oid), length('CREATE OR REPLACE') + 1)] AS statements,
  p.proowner AS owner, p.proacl AS acl, 0 AS belongs, false AS late
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.prokind <> 'a' AND {user}
  -- A range brings functions of its own.
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i')
