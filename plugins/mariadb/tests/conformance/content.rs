use lockgate_conformance::Content;

/// Accounts of the usual content.
pub const ACCOUNTS: u64 = 500;
/// Tables that a bulk is spread over.
const BULK_TABLES: u64 = 4;
/// Bytes of a row of a bulk; `RANDOM_BYTES` gives up to 1024.
const BULK_ROW_BYTES: u64 = 16 << 10;
/// Largest value that the server of the tests accepts in one packet, less what stands around it.
const HUGE_BYTES_MAX: u64 = 40 << 20;

/// What makes a content in an empty server.
pub fn statements(content: Content) -> String {
    match content {
        Content::Usual => USUAL.replace("ACCOUNTS", &ACCOUNTS.to_string()),
        Content::Huge { bytes } => format!(
            "CREATE DATABASE huge; USE huge; SET SESSION group_concat_max_len = 4294967295;
             CREATE TABLE huge.value (id INT PRIMARY KEY, bytes LONGBLOB);
             INSERT INTO huge.value SELECT 1, GROUP_CONCAT(RANDOM_BYTES(1024) SEPARATOR '') FROM seq_1_to_{}",
            bytes.min(HUGE_BYTES_MAX) / 1024
        ),
        Content::Many { count } => format!(
            "CREATE DATABASE many; USE many; CREATE TABLE many.row (id INT PRIMARY KEY, word VARCHAR(16), KEY (word));
             INSERT INTO many.row SELECT seq, LEFT(MD5(seq), 12) FROM seq_1_to_{count}"
        ),
        Content::Bulk { bytes } => {
            let rows = (bytes / BULK_TABLES / BULK_ROW_BYTES).max(1);
            let row = vec!["RANDOM_BYTES(1024)"; 16].join(", ");
            let table = |number: u64| {
                format!(
                    "CREATE TABLE bulk.t{number} (id INT PRIMARY KEY, bytes BLOB);
                     INSERT INTO bulk.t{number} SELECT seq, CONCAT({row}) FROM seq_1_to_{rows};\n"
                )
            };
            let tables: String = (0..BULK_TABLES).map(table).collect();
            format!("CREATE DATABASE bulk; USE bulk;\n{tables}")
        }
        Content::Odd => odd(),
    }
}

/// A little of everything that a server may hold.
const USUAL: &str = "
    CREATE DATABASE bank CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci; USE bank;
    CREATE TABLE account (id INT PRIMARY KEY, owner VARCHAR(64) NOT NULL, balance BIGINT NOT NULL, KEY (owner));
    INSERT INTO account SELECT seq, CONCAT('owner ', MD5(seq)), 1000 FROM seq_1_to_ACCOUNTS;
    CREATE TABLE ledger (id BIGINT AUTO_INCREMENT PRIMARY KEY, payer INT NOT NULL, payee INT NOT NULL, amount INT NOT NULL,
      KEY (payer), KEY (payee));
    CREATE TABLE kinds (id INT AUTO_INCREMENT PRIMARY KEY, d DECIMAL(20,5), f DOUBLE, b BLOB, j JSON, t DATETIME(6),
      e ENUM('a','b'), s SET('x','y'), bits BIT(9), txt TEXT CHARACTER SET latin1, n INT NULL,
      g INT GENERATED ALWAYS AS (n * 2) STORED, p POINT, u UUID, i INET6, y YEAR, CHECK (n IS NULL OR n > -1000));
    INSERT INTO kinds (d, f, b, j, t, e, s, bits, txt, n, p, u, i, y) VALUES
      (1.5, 0.1, 0x00ff0a5c27, '{\"a\": [1, 2]}', '2024-02-29 12:00:00.000001', 'b', 'x,y', b'101', 'M\u{fc}nze', NULL,
       POINT(1, 2), UUID(), '::1', 1999),
      (-99999.99999, -1e300, '', 'null', '1000-01-01 00:00:00', 'a', '', b'0', 'quote '' and \\\\ slash', 7, NULL, NULL, NULL, NULL);
    CREATE TABLE audit (id BIGINT AUTO_INCREMENT PRIMARY KEY, what TEXT) COMMENT 'who did what';
    CREATE TABLE parent (id INT PRIMARY KEY);
    CREATE TABLE child (id INT PRIMARY KEY, parent INT, CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE);
    INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (1, 1), (2, 2), (3, NULL);
    CREATE TABLE split (id INT PRIMARY KEY, word VARCHAR(8)) PARTITION BY HASH (id) PARTITIONS 3;
    INSERT INTO split VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd');
    CREATE SEQUENCE numbers START WITH 7 INCREMENT BY 3; SELECT NEXTVAL(numbers);
    CREATE VIEW rich AS SELECT id, owner FROM account WHERE balance > 1000;
    CREATE TRIGGER kinds_log AFTER INSERT ON kinds FOR EACH ROW INSERT INTO audit (what) VALUES (NEW.id);
    CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2;
    CREATE EVENT cleanup ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM audit;
    CREATE DATABASE shop CHARACTER SET latin1; CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(20));
    INSERT INTO shop.item VALUES (1, 'spoon'), (2, 'L\u{f6}ffel');
    CREATE USER 'teller'@'localhost' IDENTIFIED BY 'teller secret'; GRANT SELECT ON bank.account TO 'teller'@'localhost';
    CREATE ROLE auditor WITH ADMIN 'teller'@'localhost'; GRANT SELECT ON bank.* TO auditor";

/// Names have no NUL and no blank at their end, by the server's own rules; values may be anything.
fn odd() -> String {
    let mut statements = "SET NAMES utf8mb4;\n".to_owned();
    let databases = ["odd", "späte Züge", "..", "a/b", "quo`te", "per%cent", "_schema", "日本"];
    for database in databases {
        let database = database.replace('`', "``");
        statements.push_str(&format!("CREATE DATABASE `{database}`;\n"));
    }
    let long = "x".repeat(64);
    let tables = [
        "..",
        ".",
        "../up",
        "a/b",
        "back\\slash",
        "quote'and\"both",
        "tick``tick",
        "semi;colon",
        " lead",
        "new\nline",
        "tab\tulator",
        "esc\u{1b}[31m",
        "ünï",
        "日本語",
        "_views",
        "_schema",
        "_users",
        "%2e%2e",
        "select",
        "a b",
        "-dash",
        "*",
        "A",
        "#sql",
        "\u{7f}",
        "\u{202e}right",
        &long,
    ];
    for (number, table) in tables.into_iter().enumerate() {
        let column = tables.get(tables.len() - 1 - number).copied().unwrap_or_default();
        statements.push_str(&format!(
            "CREATE TABLE odd.`{table}` (id INT PRIMARY KEY, `{column}` LONGBLOB, t TEXT);
             INSERT INTO odd.`{table}` VALUES (1, 0x00, ''), (2, '', NULL), (3, NULL, 'NULL'), (4, REPEAT(0x00ff0a0d5c27221a, 8192), '\\\\N');\n"
        ));
    }
    statements.push_str(
        "CREATE TABLE `..`.`..` (`..` VARCHAR(200) PRIMARY KEY);
         INSERT INTO `..`.`..` VALUES (''), ('\u{1f600}'), ('a\\0b'), ('\\r\\n'), ('\\t'), ('\\\\'), ('NULL'), (REPEAT('é', 200));
         CREATE TABLE `日本`.`no key` (a INT, b VARCHAR(10)); INSERT INTO `日本`.`no key` VALUES (1, 'x'), (1, 'x'), (NULL, NULL);
         CREATE USER 'o''dd \\\\ näme'@'%' IDENTIFIED BY 'p''w'; GRANT SELECT ON `per\\%cent`.* TO 'o''dd \\\\ näme'@'%';\n",
    );
    statements
}
