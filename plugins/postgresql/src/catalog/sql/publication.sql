SELECT p.oid, 0 AS sub, '' AS schema, p.pubname AS name, format('PUBLICATION %I', p.pubname) AS address,
  ARRAY[format('CREATE PUBLICATION %I%s WITH (publish = %L%s)', p.pubname, CASE WHEN p.puballtables THEN ' FOR ALL TABLES' ELSE '' END,
    concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END, CASE WHEN p.pubdelete THEN 'delete' END,
      CASE WHEN p.pubtruncate THEN 'truncate' END),
    CASE WHEN (to_jsonb(p)->>'pubviaroot')::boolean THEN ', publish_via_partition_root = true' ELSE '' END)]
    || {publication_schemas} AS statements,
  p.pubowner AS owner, NULL::aclitem[] AS acl, 0 AS belongs, true AS late
FROM pg_publication p
