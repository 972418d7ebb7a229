CREATE ROLE boss CREATEDB CREATEROLE CONNECTION LIMIT 7 VALID UNTIL '2099-12-31 00:00:00+00';
CREATE ROLE clerk LOGIN PASSWORD 'clerk secret' NOINHERIT;
CREATE ROLE "odd ""role" NOLOGIN;
GRANT boss TO clerk WITH ADMIN OPTION;
GRANT clerk TO "odd ""role" GRANTED BY postgres;
COMMENT ON ROLE boss IS 'it''s the boss';
ALTER ROLE clerk SET search_path = shop, "$user", public;
ALTER ROLE clerk SET work_mem = '5MB';
