"""Makes, sorts, writes and reads many small Python objects; prints what came of it."""

import json

TABLE = {
    f"key {i}": {"n": i, "text": "x" * (i % 300), "list": list(range(i % 40))} for i in range(12000)
}
TEXT = json.dumps(TABLE, sort_keys=True)
assert json.loads(TEXT) == TABLE
WORDS = sorted((str(i * 7919 % 100003) for i in range(100000)), key=lambda word: word[::-1])
COUNTS: dict[str, int] = {}
for word in WORDS:
    COUNTS[word[:3]] = COUNTS.get(word[:3], 0) + 1
print(len(TEXT), WORDS[::20000], len(COUNTS), max(COUNTS.values()))
