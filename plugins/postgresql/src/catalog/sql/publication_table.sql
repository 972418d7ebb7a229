SELECT r.oid, 0 AS sub, n.nspname AS schema, c.relname AS name,
  format('TABLE %I.%I OF PUBLICATION %I', n.nspname, c.relname, p.pubname) AS address,
  ARRAY[format('ALTER PUBLICATION %I ADD TABLE ONLY %I.%I%s%s', p.pubname, n.nspname, c.relname,
    coalesce((SELECT format(' (%s)', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)) FROM pg_attribute a
      WHERE a.attrelid = c.oid AND to_jsonb(r)->'prattrs' @> to_jsonb(a.attnum) HAVING count(*) > 0), ''),
    {publication_where})] AS statements,
  NULL::oid AS owner, NULL::aclitem[] AS acl, c.oid AS belongs, true AS late
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid JOIN pg_class c ON c.oid = r.prrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
