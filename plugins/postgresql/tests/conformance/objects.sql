-- A little of every kind of object that the plugin saves. Roles: see roles.sql.
CREATE EXTENSION hstore;
CREATE SCHEMA shop AUTHORIZATION clerk;
COMMENT ON SCHEMA shop IS 'it''s a shop';
CREATE SCHEMA "Odd ""schema"".x";
CREATE EXTENSION btree_gist WITH SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO PUBLIC;
GRANT ALL ON SCHEMA shop TO boss WITH GRANT OPTION;
CREATE COLLATION shop.german (provider = icu, locale = 'de-u-co-phonebk', deterministic = false);
CREATE TYPE shop.state AS ENUM ('new', 'it''s', 'done');
ALTER TYPE shop.state ADD VALUE 'paid' BEFORE 'done';
COMMENT ON TYPE shop.state IS 'of an order';
CREATE TYPE shop.address AS (street text COLLATE "C", state shop.state, numbers int[]);
COMMENT ON COLUMN shop.address.street IS 'with number';
CREATE TYPE shop.price_range AS RANGE (subtype = numeric, multirange_type_name = shop.price_ranges);
CREATE FUNCTION shop.is_email(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 LIKE '%@%' $$;
CREATE DOMAIN shop.email AS varchar(80) DEFAULT 'none@example.org' NOT NULL;
ALTER DOMAIN shop.email ADD CONSTRAINT has_at CHECK (shop.is_email(VALUE));
COMMENT ON CONSTRAINT has_at ON DOMAIN shop.email IS 'simple';
CREATE SEQUENCE shop.numbers AS smallint START 5 INCREMENT -2 MINVALUE -100 MAXVALUE 50 CACHE 3 CYCLE;
SELECT nextval('shop.numbers'), nextval('shop.numbers');
CREATE SEQUENCE shop.untouched;
CREATE TABLE shop.customer (
  id serial PRIMARY KEY, mail shop.email, name varchar(20) COLLATE shop.german CHECK (name IN ('a', 'b', 'Ärger', 'it''s', 'tab	', '')),
  home shop.address, tags text[], attributes hstore, born date, limits shop.price_range, many shop.price_ranges,
  CONSTRAINT mail_key UNIQUE (mail) DEFERRABLE INITIALLY DEFERRED) WITH (fillfactor = 70, toast.autovacuum_enabled = false);
COMMENT ON TABLE shop.customer IS 'who buys';
COMMENT ON COLUMN shop.customer.name IS 'as it is spoken';
ALTER TABLE shop.customer ALTER COLUMN name SET STATISTICS 500, ALTER COLUMN name SET (n_distinct = -0.5),
  ALTER COLUMN tags SET STORAGE EXTERNAL, ALTER COLUMN mail SET COMPRESSION pglz;
INSERT INTO shop.customer (mail, name, home, tags, attributes, born, limits, many) VALUES
  ('a@x', 'a', ROW('Weg 1', 'new', '{1,2,NULL}'), '{a,"b c",NULL}', 'k=>v, "a b"=>NULL', '2024-02-29', '[1,2)', '{[1,2),[5,)}'),
  ('b@x', 'Ärger', NULL, '{}', '', '-infinity', 'empty', '{}'), ('c@x', NULL, ROW(NULL, NULL, NULL), NULL, NULL, NULL, NULL, NULL);
CREATE TABLE shop.orders (
  id bigint GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 10), customer int NOT NULL REFERENCES shop.customer ON DELETE CASCADE,
  state shop.state DEFAULT 'new'::shop.state, states shop.state[], net numeric(12, 2), gross numeric GENERATED ALWAYS AS (net * 1.19) STORED,
  during tstzrange, PRIMARY KEY (id) INCLUDE (customer) WITH (fillfactor = 80),
  CONSTRAINT no_overlap EXCLUDE USING gist (customer WITH =, during WITH &&) WHERE (state = 'done'), CHECK (net >= 0) NO INHERIT);
INSERT INTO shop.orders (customer, state, states, net, during) SELECT 1, 'done', ARRAY['new', 'paid']::shop.state[], n, tstzrange(now()::date + n, now()::date + n + 1)
  FROM generate_series(1, 100) n;
ALTER TABLE shop.orders ADD CONSTRAINT later CHECK (net < 50) NOT VALID;
CREATE INDEX orders_by_state ON shop.orders USING btree (state DESC NULLS LAST, lower(customer::text) text_pattern_ops) WHERE net > 5;
COMMENT ON INDEX shop.orders_by_state IS 'partial';
CREATE UNIQUE INDEX orders_unique ON shop.orders (id, net) NULLS NOT DISTINCT;
ALTER TABLE shop.orders CLUSTER ON orders_pkey;
ALTER TABLE shop.customer REPLICA IDENTITY FULL;
CREATE STATISTICS shop.correlated (dependencies, ndistinct) ON customer, state FROM shop.orders;
CREATE TABLE shop.measure (at timestamptz NOT NULL, device int NOT NULL, value real DEFAULT 1.5, CONSTRAINT positive CHECK (value > 0), PRIMARY KEY (at, device))
  PARTITION BY RANGE (at);
CREATE TABLE shop.measure_2023 PARTITION OF shop.measure FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE shop.measure_2024 PARTITION OF shop.measure (value DEFAULT 2.5, CHECK (device < 1000)) FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')
  PARTITION BY LIST (device);
CREATE TABLE "Odd ""schema"".x".measure_2024_1 PARTITION OF shop.measure_2024 FOR VALUES IN (1, 2, 3);
CREATE TABLE shop.measure_2024_rest PARTITION OF shop.measure_2024 DEFAULT;
CREATE INDEX measure_device ON shop.measure (device);
INSERT INTO shop.measure SELECT '2023-06-01'::timestamptz + n * interval '12 hours', n % 7, n + 0.1 FROM generate_series(0, 500) n;
CREATE TABLE shop.animal (name text DEFAULT 'x' NOT NULL, age int CONSTRAINT old CHECK (age < 100), born date DEFAULT '2000-01-01');
ALTER TABLE shop.animal ADD COLUMN added text DEFAULT 'later';
CREATE TABLE shop.cat (lives int DEFAULT 9, CHECK (lives > 0)) INHERITS (shop.animal);
ALTER TABLE shop.cat ALTER COLUMN born DROP DEFAULT, ALTER COLUMN age SET NOT NULL, ALTER COLUMN name SET DEFAULT 'tom';
INSERT INTO shop.animal VALUES ('rex', 3); INSERT INTO shop.cat (name, age) VALUES ('tom', 5);
CREATE TABLE shop.of_type OF shop.address (street NOT NULL, PRIMARY KEY (street));
INSERT INTO shop.of_type VALUES ('here', 'new', '{7}');
CREATE TABLE shop.nothing ();
INSERT INTO shop.nothing DEFAULT VALUES;
CREATE UNLOGGED TABLE shop.quick (a int);
INSERT INTO shop.quick VALUES (1), (2);
CREATE TABLE shop.named (class regclass, type regtype, kind "char", uuid uuid, bits bit varying, money money, xml xml, json jsonb);
CREATE TABLE shop.odd ("sp ace" int, "quo""te" text, "größe" text, "select" int, "UPPER" int, PRIMARY KEY ("sp ace", "quo""te"));
INSERT INTO shop.odd VALUES (1, E'\\x41\n\t\r\b\f\v\'"$$', 'ü', NULL, 2), (2, '', '😀', 3, NULL);
CREATE TABLE "Odd ""schema"".x"."a/b.c" (id int PRIMARY KEY);
INSERT INTO "Odd ""schema"".x"."a/b.c" VALUES (1);
CREATE TABLE "Odd ""schema"".x"."_under" (id int REFERENCES "Odd ""schema"".x"."a/b.c");
CREATE TABLE "Odd ""schema"".x".".." (id int);
ALTER TABLE "Odd ""schema"".x"."_under" DISABLE TRIGGER ALL;
ALTER TABLE "Odd ""schema"".x"."_under" ENABLE TRIGGER ALL;
CREATE TABLE shop.employee (id int PRIMARY KEY, chief int REFERENCES shop.employee, secret text);
INSERT INTO shop.employee VALUES (1, 2, 'x'), (2, 1, 'y') ON CONFLICT DO NOTHING;
CREATE VIEW shop.big AS SELECT c.id, c.mail, sum(o.net) AS net FROM shop.customer c JOIN shop.orders o ON o.customer = c.id GROUP BY c.id;
CREATE VIEW shop.bigger WITH (security_barrier, check_option = local) AS SELECT id, name FROM shop.customer WHERE id > 0;
ALTER VIEW shop.bigger ALTER COLUMN name SET DEFAULT 'b';
COMMENT ON VIEW shop.bigger IS 'with options';
COMMENT ON COLUMN shop.bigger.id IS 'of the customer';
CREATE FUNCTION shop.of_big(shop.big) RETURNS numeric LANGUAGE sql AS 'SELECT $1.net';
CREATE MATERIALIZED VIEW shop.a_sum AS SELECT count(*) AS n FROM shop.orders;
CREATE MATERIALIZED VIEW shop.a_first AS SELECT n + 1 AS n FROM shop.a_sum WITH DATA;
CREATE UNIQUE INDEX a_sum_n ON shop.a_sum (n);
CREATE MATERIALIZED VIEW shop.empty AS SELECT 1 AS one WITH NO DATA;
CREATE FUNCTION shop.twice(n int, OUT m int, VARIADIC rest int[] DEFAULT '{}') LANGUAGE plpgsql STABLE PARALLEL SAFE COST 5 SET search_path = shop, pg_temp
  AS $body$ BEGIN m := n * 2; END $body$;
CREATE FUNCTION shop.parsed(i int) RETURNS SETOF shop.customer BEGIN ATOMIC SELECT * FROM shop.customer WHERE id = i; END;
CREATE PROCEDURE shop.clean(IN days int, INOUT done int) LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN done := days; END $$;
CREATE AGGREGATE shop.total(numeric) (SFUNC = numeric_add, STYPE = numeric, INITCOND = '0', PARALLEL = SAFE, COMBINEFUNC = numeric_add);
CREATE AGGREGATE shop.counted(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0');
REVOKE ALL ON FUNCTION shop.twice FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shop.twice TO clerk;
COMMENT ON FUNCTION shop.twice IS 'times two';
CREATE FUNCTION shop.near(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT abs($1 - $2) < 2';
CREATE OPERATOR shop.~~~ (FUNCTION = shop.near, LEFTARG = int, RIGHTARG = int, COMMUTATOR = OPERATOR(shop.~~~));
CREATE FUNCTION shop.compare(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $2 - $1';
CREATE OPERATOR CLASS shop.backwards FOR TYPE int USING btree AS OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 shop.compare(int, int);
CREATE OPERATOR FAMILY shop.lonely USING btree;
ALTER OPERATOR FAMILY shop.lonely USING btree ADD OPERATOR 1 < (int, bigint), FUNCTION 1 (int, bigint) btint48cmp(int, bigint);
CREATE INDEX employee_backwards ON shop.employee (id shop.backwards);
CREATE FUNCTION shop.to_state(int) RETURNS shop.state LANGUAGE sql IMMUTABLE AS $$ SELECT 'new'::shop.state $$;
CREATE CAST (int AS shop.state) WITH FUNCTION shop.to_state(int) AS ASSIGNMENT;
CREATE TEXT SEARCH DICTIONARY shop.words (TEMPLATE = pg_catalog.simple, stopwords = 'english');
CREATE TEXT SEARCH CONFIGURATION shop.search (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION shop.search ALTER MAPPING FOR asciiword WITH shop.words, english_stem;
CREATE FUNCTION shop.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER noted BEFORE UPDATE OF mail, name ON shop.customer FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION shop.note('a''b');
CREATE CONSTRAINT TRIGGER at_end AFTER INSERT ON shop.orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION shop.note();
CREATE TRIGGER on_parts AFTER INSERT ON shop.measure FOR EACH ROW EXECUTE FUNCTION shop.note();
ALTER TABLE shop.customer DISABLE TRIGGER noted;
CREATE RULE no_delete AS ON DELETE TO shop.odd DO INSTEAD NOTHING;
CREATE RULE also AS ON INSERT TO shop.bigger DO INSTEAD INSERT INTO shop.customer (id, name) VALUES (NEW.id, NEW.name);
ALTER TABLE shop.employee ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON shop.employee FOR SELECT TO clerk USING (id > 0 AND secret <> '');
CREATE POLICY strict ON shop.employee AS RESTRICTIVE FOR ALL USING (true) WITH CHECK (id < 100);
GRANT SELECT, INSERT ON shop.customer TO clerk WITH GRANT OPTION;
GRANT SELECT (id, mail), UPDATE (name) ON shop.customer TO boss;
SET SESSION AUTHORIZATION clerk;
GRANT SELECT ON shop.customer TO boss;
RESET SESSION AUTHORIZATION;
GRANT USAGE ON SEQUENCE shop.numbers, shop.customer_id_seq TO clerk;
GRANT USAGE ON TYPE shop.state TO clerk;
ALTER TABLE shop.orders OWNER TO clerk;
ALTER FUNCTION shop.near OWNER TO boss;
ALTER DEFAULT PRIVILEGES FOR ROLE clerk IN SCHEMA shop GRANT SELECT ON TABLES TO boss;
ALTER DEFAULT PRIVILEGES FOR ROLE boss REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
CREATE EXTENSION postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'far.example', port '1');
CREATE USER MAPPING FOR clerk SERVER far OPTIONS (user 'u', password 'it''s');
CREATE FOREIGN TABLE shop.remote (id int OPTIONS (column_name 'ID'), name text) SERVER far OPTIONS (table_name 'r');
GRANT SELECT ON shop.remote TO clerk;
CREATE PUBLICATION news FOR TABLE shop.customer (id, mail), shop.orders WHERE (id > 5) WITH (publish = 'insert, delete');
CREATE PUBLICATION schemas FOR TABLES IN SCHEMA "Odd ""schema"".x";
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE FUNCTION shop.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION shop.on_ddl();
ALTER EVENT TRIGGER watch DISABLE;
SELECT lo_create(4711), lo_put(4711, 0, convert_to(repeat('large', 3000), 'UTF8')), lo_create(4712), lo_put(4712, 5000, '\x01');
GRANT SELECT ON LARGE OBJECT 4711 TO clerk;
COMMENT ON LARGE OBJECT 4712 IS 'with a hole';
CREATE TABLE public.plain (id int PRIMARY KEY, v text);
INSERT INTO public.plain SELECT n, md5(n::text) FROM generate_series(1, 1000) n;
COMMENT ON SCHEMA public IS 'for all';
INSERT INTO shop.named VALUES ('shop.orders', 'shop.state[]', 'x', '00000000-0000-0000-0000-000000000001', B'101', '12.50', '<a/>', '{"a": [1, null]}');
