//! `pg_dump | restic`, over the socket, as the server's administrator.
//!
//! As plain SQL: restic finds the same chunks in it as in the custom format without compression, and `pg_dump` and `psql` have less
//! work with it than `pg_dump` and `pg_restore` with that.

use std::path::Path;

use anyhow::Result;
use lockgate_servers::PostgreSql;

use super::shell::{Shell, line};
use super::{Datastore, PASSWORD, Side, Sides, Size};

const CUSTOMERS: u64 = 400_000;
const SALES: u64 = 1_600_000;

struct Shop(Sides<PostgreSql>);

pub fn open(size: Size) -> Result<Box<dyn Datastore>> {
    let shop = Sides { source: PostgreSql::start()?, target: PostgreSql::start()? };
    for server in [&shop.source, &shop.target] {
        server.sql(
            "postgres",
            &format!("CREATE ROLE backup SUPERUSER LOGIN PASSWORD '{PASSWORD}'"),
        )?;
    }
    shop.source.sql("postgres", "CREATE DATABASE shop")?;
    let (customers, sales) = (size.of(CUSTOMERS), size.of(SALES));
    shop.source.sql("shop", &format!(
        "CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL, mail text NOT NULL, joined date NOT NULL);
         INSERT INTO customer SELECT n, 'customer ' || md5(n::text), md5((-n)::text) || '@example.org', date '2020-01-01' + n % 1500
           FROM generate_series(1, {customers}) n;
         CREATE INDEX ON customer (joined);
         CREATE TABLE sale (id bigint PRIMARY KEY, customer int NOT NULL REFERENCES customer, placed timestamptz NOT NULL,
           amount numeric(12,2) NOT NULL, state text NOT NULL CHECK (state IN ('new', 'paid', 'sent')), note text);
         INSERT INTO sale SELECT n, 1 + n * 7919 % {customers}, timestamptz '2024-01-01 UTC' + n * interval '1 second',
           n % 100000 / 100.0, (ARRAY['new', 'paid', 'sent'])[1 + n % 3],
           CASE WHEN n % 4 > 0 THEN 'deliver to the back door, code ' || left(md5(n::text), 12) END
           FROM generate_series(1::bigint, {sales}) n;
         CREATE INDEX ON sale (customer);
         CREATE VIEW paid AS SELECT id, amount FROM sale WHERE state = 'paid';
         CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 2';
         VACUUM ANALYZE;"
    ))?;
    Ok(Box::new(Shop(shop)))
}

impl Datastore for Shop {
    fn way(&self) -> &'static str {
        "pg_dump, restic"
    }

    fn source(&self, side: Side, secret: &Path) -> String {
        format!(
            "config = {{ databases = [\"shop\"], roles = false }}\n\
             endpoints.server = {{ address = \"127.0.0.1:{}\", encryption = \"off\" }}\n\
             credentials.account = {{ principal = \"backup\", secret-file = \"{}\" }}\n",
            self.0.of(side).port,
            secret.display()
        )
    }

    fn save(&mut self, shell: &mut Shell) -> Result<()> {
        let mut dump = self.0.source.client("pg_dump");
        let dump = line(dump.args(["--format=plain", "--create", "shop"]));
        shell.run(&format!("{dump} | restic backup --stdin --stdin-filename shop.sql"))
    }

    fn restore(&mut self, shell: &mut Shell) -> Result<()> {
        let mut restore = self.0.target.client("psql");
        restore.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname=postgres"]);
        let restore = line(&restore);
        shell.run(&format!("restic dump latest shop.sql | {restore}"))
    }

    fn empty(&mut self) -> Result<()> {
        self.0.target.sql("postgres", "DROP DATABASE IF EXISTS shop WITH (FORCE)").map(drop)
    }

    fn contents(&self, side: Side) -> Result<String> {
        self.0.of(side).sql(
            "shop",
            "SELECT count(*), sum(hashtextextended(customer::text, 0)::numeric) FROM customer;
             SELECT count(*), sum(hashtextextended(sale::text, 0)::numeric) FROM sale;
             SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1;
             SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
               WHERE conrelid::regclass::text IN ('customer', 'sale') ORDER BY 1;
             SELECT pg_get_viewdef('paid'::regclass), twice(21)",
        )
    }

    fn change(&mut self) -> Result<()> {
        self.0.target.sql("shop", "UPDATE sale SET amount = amount + 1 WHERE id = 1").map(drop)
    }

    fn process(&self, side: Side) -> Option<u32> {
        Some(self.0.of(side).pid())
    }
}
