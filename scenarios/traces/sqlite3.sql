-- What sqlite3.trace was recorded from: a small shop, filled, indexed, changed and asked.
PRAGMA journal_mode = memory;
CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT);
CREATE TABLE purchase(id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customer, day TEXT, cents INTEGER, note TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
  INSERT INTO customer SELECT i, 'customer ' || i, 'city ' || (i * 7919 % 37) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
  INSERT INTO purchase
  SELECT i, i * 104729 % 500 + 1, date('2020-01-01', (i % 900) || ' days'), i * 7907 % 100000,
         substr('a note that is now and then rather longer than all of the others', 1, i % 64)
  FROM n;
CREATE INDEX purchase_by_customer ON purchase(customer, day);
CREATE INDEX purchase_by_note ON purchase(note);
SELECT city, count(*), sum(cents) FROM customer JOIN purchase ON purchase.customer = customer.id
  GROUP BY city ORDER BY 3 DESC LIMIT 10;
SELECT strftime('%Y-%m', day) AS month, group_concat(DISTINCT customer % 10), avg(cents), max(length(note))
  FROM purchase GROUP BY month ORDER BY month;
SELECT name, cents, rank() OVER (PARTITION BY city ORDER BY cents DESC) AS place
  FROM customer JOIN purchase ON purchase.customer = customer.id WHERE cents > 90000 ORDER BY name LIMIT 100;
UPDATE purchase SET note = note || ', changed' WHERE id % 3 = 0;
DELETE FROM purchase WHERE customer IN (SELECT id FROM customer WHERE city = 'city 5');
SELECT json_group_array(json_object('id', id, 'name', name)) FROM customer WHERE id < 100;
SELECT count(*) FROM purchase WHERE note LIKE '%longer%' OR note GLOB '*then*';
CREATE VIEW total AS SELECT customer, sum(cents) AS cents FROM purchase GROUP BY customer;
SELECT printf('%-20s %8.2f', name, total.cents / 100.0) FROM customer JOIN total ON total.customer = customer.id
  ORDER BY total.cents DESC LIMIT 20;
VACUUM;
SELECT count(*), sum(length(note)) FROM purchase;
