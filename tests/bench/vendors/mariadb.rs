//! `mariadb-dump | restic`, over the socket, as the server's administrator.

use std::path::Path;

use anyhow::Result;
use lockgate_servers::MariaDb;

use super::shell::{Shell, line};
use super::{Datastore, PASSWORD, Side, Sides, Size};

const CUSTOMERS: u64 = 400_000;
const SALES: u64 = 1_600_000;

struct Shop(Sides<MariaDb>);

pub fn open(size: Size) -> Result<Box<dyn Datastore>> {
    let shop = Sides { source: MariaDb::start()?, target: MariaDb::start()? };
    for server in [&shop.source, &shop.target] {
        server.sql(&format!(
            "CREATE USER 'backup'@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO 'backup'@'%' WITH GRANT OPTION"
        ))?;
    }
    let (customers, sales) = (size.of(CUSTOMERS), size.of(SALES));
    shop.source.sql(&format!(
        "CREATE DATABASE shop; USE shop;
         CREATE TABLE customer (id INT PRIMARY KEY, name VARCHAR(64) NOT NULL, mail VARCHAR(96) NOT NULL,
           joined DATE NOT NULL, KEY (joined));
         INSERT INTO customer SELECT seq, CONCAT('customer ', MD5(seq)), CONCAT(MD5(-seq), '@example.org'),
           DATE '2020-01-01' + INTERVAL seq % 1500 DAY FROM seq_1_to_{customers};
         CREATE TABLE sale (id BIGINT PRIMARY KEY, customer INT NOT NULL, placed DATETIME NOT NULL, amount DECIMAL(12,2) NOT NULL,
           state ENUM('new','paid','sent') NOT NULL, note VARCHAR(120), KEY (customer));
         INSERT INTO sale SELECT seq, 1 + seq * 7919 % {customers}, TIMESTAMP '2024-01-01 00:00:00' + INTERVAL seq SECOND,
           seq % 100000 / 100, 1 + seq % 3,
           IF(seq % 4 = 0, NULL, CONCAT('deliver to the back door, code ', LEFT(MD5(seq), 12))) FROM seq_1_to_{sales};
         CREATE VIEW paid AS SELECT id, amount FROM sale WHERE state = 'paid';
         CREATE TRIGGER rounded BEFORE INSERT ON sale FOR EACH ROW SET NEW.amount = ROUND(NEW.amount, 2);
         CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2;
         CREATE EVENT cleanup ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM sale WHERE placed < '2000-01-01';"
    ))?;
    Ok(Box::new(Shop(shop)))
}

impl Datastore for Shop {
    fn way(&self) -> &'static str {
        "mariadb-dump, restic"
    }

    fn source(&self, side: Side, secret: &Path) -> String {
        format!(
            "config = {{ include = [\"shop\"], users = false }}\n\
             endpoints.server = {{ address = \"127.0.0.1:{}\", encryption = \"off\" }}\n\
             credentials.account = {{ principal = \"backup\", secret-file = \"{}\" }}\n",
            self.0.of(side).port,
            secret.display()
        )
    }

    fn save(&mut self, shell: &mut Shell) -> Result<()> {
        // Without the date the last chunk of an unchanged database is the same, too.
        let options = "--no-defaults --user=root --single-transaction --routines --triggers --events --skip-dump-date --databases shop";
        let socket = self.0.source.socket.display();
        shell.run(&format!(
            "mariadb-dump {options} --socket={socket} | restic backup --stdin --stdin-filename shop.sql"
        ))
    }

    fn restore(&mut self, shell: &mut Shell) -> Result<()> {
        shell.run(&format!("restic dump latest shop.sql | {}", line(&self.0.target.client())))
    }

    fn empty(&mut self) -> Result<()> {
        self.0.target.sql("DROP DATABASE IF EXISTS shop").map(drop)
    }

    fn contents(&self, side: Side) -> Result<String> {
        self.0.of(side).sql(
            "USE shop; SELECT COUNT(*) FROM customer; SELECT COUNT(*) FROM sale; CHECKSUM TABLE customer, sale EXTENDED;
             SHOW CREATE TABLE customer; SHOW CREATE TABLE sale; SHOW CREATE VIEW paid;
             SELECT TRIGGER_NAME, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'shop';
             SELECT ROUTINE_NAME, ROUTINE_DEFINITION FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'shop';
             SELECT EVENT_NAME, EVENT_DEFINITION FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'shop'",
        )
    }

    fn change(&mut self) -> Result<()> {
        self.0.target.sql("UPDATE shop.sale SET amount = amount + 1 WHERE id = 1").map(drop)
    }

    fn process(&self, side: Side) -> Option<u32> {
        Some(self.0.of(side).pid())
    }
}
