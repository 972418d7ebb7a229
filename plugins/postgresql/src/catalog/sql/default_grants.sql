SELECT d.oid, 0 AS sub, coalesce(n.nspname, '') AS schema, format('%s of %s', k.kind, r.name) AS name,
  format('DEFAULT PRIVILEGES FOR ROLE %s%s ON %s', r.name, CASE WHEN n.nspname IS NOT NULL THEN format(' IN SCHEMA %I', n.nspname) ELSE '' END, k.kind) AS address,
  CASE WHEN n.nspname IS NULL THEN ARRAY[
      format('ALTER DEFAULT PRIVILEGES FOR ROLE %s REVOKE ALL ON %s FROM %s', r.name, k.kind, r.name),
      format('ALTER DEFAULT PRIVILEGES FOR ROLE %s REVOKE ALL ON %s FROM PUBLIC', r.name, k.kind)] ELSE '{}' END
    || ARRAY(SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s GRANT %s ON %s TO %s%s', r.name, CASE WHEN n.nspname IS NOT NULL THEN format(' IN SCHEMA %I', n.nspname) ELSE '' END,
        e.privilege_type, k.kind, CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END,
        CASE WHEN e.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
      FROM aclexplode(d.defaclacl) WITH ORDINALITY e ORDER BY e.ordinality) AS statements,
  NULL::oid AS owner, NULL::aclitem[] AS acl, 0 AS belongs, true AS late
FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace,
  LATERAL (SELECT quote_ident(pg_get_userbyid(d.defaclrole)) AS name) r,
  LATERAL (SELECT CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END AS kind) k
