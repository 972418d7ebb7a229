-- What is another object seen from another side: class and number, and those of the object that stands for it.
SELECT 'pg_rewrite', r.oid, 'pg_class', r.ev_class FROM pg_rewrite r WHERE r.rulename = '_RETURN'
UNION ALL SELECT 'pg_type', t.typarray, 'pg_type', t.oid FROM pg_type t WHERE t.typarray <> 0 AND t.typrelid = 0
UNION ALL SELECT 'pg_type', t.oid, 'pg_class', t.typrelid FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid WHERE c.relkind <> 'c'
UNION ALL SELECT 'pg_type', t.typarray, 'pg_class', t.typrelid FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid
  WHERE c.relkind <> 'c' AND t.typarray <> 0
UNION ALL SELECT 'pg_type', t.typarray, 'pg_type', t.oid FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid
  WHERE c.relkind = 'c' AND t.typarray <> 0
UNION ALL SELECT 'pg_class', t.typrelid, 'pg_type', t.oid FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid WHERE c.relkind = 'c'
UNION ALL SELECT 'pg_type', (to_jsonb(r)->>'rngmultitypid')::oid, 'pg_type', r.rngtypid FROM pg_range r WHERE to_jsonb(r) ? 'rngmultitypid'
UNION ALL SELECT 'pg_type', m.typarray, 'pg_type', r.rngtypid FROM pg_range r JOIN pg_type m ON m.oid = (to_jsonb(r)->>'rngmultitypid')::oid
UNION ALL SELECT 'pg_class', k.conindid, 'pg_constraint', k.oid FROM pg_constraint k WHERE k.contype IN ('p', 'u', 'x') AND k.conindid <> 0
UNION ALL SELECT 'pg_attrdef', d.oid, 'pg_class', d.adrelid FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
  WHERE a.attgenerated <> ''
UNION ALL SELECT d.classid::regclass::text, d.objid, 'pg_extension', d.refobjid FROM pg_depend d
  WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
