-- Everything that is not a row, with names that are no words. Run in a database of any name.
CREATE SEQUENCE numbers START WITH 5 INCREMENT BY 3 CACHE 10;
DO NEXTVAL(numbers), NEXTVAL(numbers);
CREATE TABLE customer (id INT PRIMARY KEY DEFAULT NEXTVAL(numbers), name VARCHAR(40)) COMMENT='it''s a\nline';
CREATE TABLE `order/line` (id INT AUTO_INCREMENT PRIMARY KEY, customer INT, amount INT, CONSTRAINT `belongs``to` FOREIGN KEY (customer) REFERENCES customer (id) ON DELETE CASCADE);
CREATE TABLE log (what VARCHAR(100));
CREATE TABLE `..` (a INT); CREATE TABLE `_schema` (a INT); CREATE TABLE `_views` (a INT); CREATE TABLE `käse % ``x``` (`ö ``,` INT PRIMARY KEY);
CREATE TABLE `a.b` (a INT); CREATE TABLE `A.B` (a INT); CREATE TABLE `'quoted"` (a INT);
INSERT INTO customer (id, name) VALUES (1, 'Änne'), (2, 'Bob'); INSERT INTO `order/line` (customer, amount) VALUES (1, 10), (2, 20), (1, 30);
INSERT INTO `_schema` VALUES (7); INSERT INTO `..` VALUES (8); INSERT INTO `käse % ``x``` VALUES (9);
DELIMITER //
CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2//
CREATE PROCEDURE `say it`(IN word VARCHAR(20) CHARACTER SET utf8mb4) MODIFIES SQL DATA SQL SECURITY INVOKER COMMENT 'says ü' BEGIN INSERT INTO log VALUES (CONCAT(word, ' ü')); END//
SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'//
CREATE FUNCTION piped() RETURNS TEXT DETERMINISTIC RETURN 'a' || "twice"(2)//
SET sql_mode = 'ORACLE'//
CREATE PACKAGE pack AS FUNCTION one RETURN INT; END//
CREATE PACKAGE BODY pack AS FUNCTION one RETURN INT AS BEGIN RETURN 1; END; END//
SET sql_mode = DEFAULT//
CREATE TRIGGER b_first BEFORE INSERT ON `order/line` FOR EACH ROW SET NEW.amount = NEW.amount + 1//
CREATE TRIGGER a_second BEFORE INSERT ON `order/line` FOR EACH ROW FOLLOWS b_first SET NEW.amount = NEW.amount * 2//
CREATE TRIGGER logs AFTER INSERT ON `order/line` FOR EACH ROW BEGIN INSERT INTO log VALUES (CONCAT('new ', NEW.id, ' ß')); END//
CREATE VIEW z_base AS SELECT id, name FROM customer//
CREATE VIEW a_top AS SELECT z.id, twice(l.amount) AS `double ``amount` FROM z_base z JOIN `order/line` l ON l.customer = z.id WHERE z.name LIKE 'Ä%'//
CREATE ALGORITHM=MERGE DEFINER='nobody'@'nowhere' SQL SECURITY INVOKER VIEW m_view AS SELECT * FROM a_top WITH CASCADED CHECK OPTION//
SET time_zone = '+02:00'//
CREATE EVENT `clean up` ON SCHEDULE EVERY 1 HOUR STARTS '2035-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE COMMENT 'ü' DO BEGIN DELETE FROM log; END//
SET time_zone = DEFAULT//
DELIMITER ;
