WITH RECURSIVE parts(name, oid, nested) AS (
  SELECT a.attname::text, a.atttypid, false FROM pg_attribute a
    WHERE a.attrelid = {table}::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  UNION
  SELECT p.name, x.oid, x.nested FROM parts p JOIN pg_type t ON t.oid = p.oid, LATERAL (
    SELECT t.typbasetype AS oid, false AS nested WHERE t.typtype = 'd'
    UNION ALL SELECT t.typelem, true WHERE t.typtype = 'b' AND t.typcategory = 'A' AND t.typelem <> 0
    UNION ALL SELECT a.atttypid, true FROM pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL SELECT r.rngsubtype, false FROM pg_range r WHERE r.rngtypid = t.oid OR (to_jsonb(r)->>'rngmultitypid')::oid = t.oid) x)
SELECT p.name, bool_and(t.typsend <> 0 AND t.typreceive <> 0 AND NOT (p.nested AND t.oid >= 16384)
  AND t.oid::regtype::text NOT LIKE 'reg%')
FROM parts p JOIN pg_type t ON t.oid = p.oid GROUP BY p.name ORDER BY p.name COLLATE "C"
