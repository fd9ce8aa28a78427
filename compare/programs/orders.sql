-- A small shop in memory: orders, an index, sums, deletions, a vacuum.
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, amount INTEGER, note TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO orders
SELECT i, 'customer ' || (i * 7919 % 1000), i * 31 % 5003, hex(zeroblob(i % 200)) FROM n;
CREATE INDEX by_customer ON orders (customer, amount);
SELECT customer, count(*), sum(amount), max(length(note)) FROM orders
GROUP BY customer ORDER BY 3 DESC, 1 LIMIT 50;
SELECT length(group_concat(amount)) FROM (SELECT amount FROM orders ORDER BY note, amount, id);
DELETE FROM orders WHERE id % 3 = 0;
VACUUM;
SELECT count(*), total(amount) FROM orders;
