SELECT c.oid, 0 AS sub, n.nspname AS schema, c.relname AS name, format('SEQUENCE %I.%I', n.nspname, c.relname) AS address,
  ARRAY[format('ALTER TABLE %I.%I ALTER COLUMN %I ADD GENERATED %s AS IDENTITY '
    || '(SEQUENCE NAME %I.%I START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s%s)', m.nspname, t.relname, a.attname,
    CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, n.nspname, c.relname,
    s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END)] AS statements,
  c.relowner AS owner, c.relacl AS acl, t.oid AS belongs, false AS late
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid
  JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i' AND d.refclassid = 'pg_class'::regclass
  JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace m ON m.oid = t.relnamespace
  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE {user} AND a.attidentity <> ''
