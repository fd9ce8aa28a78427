"""What python3.trace was recorded from: words counted, a tree built, JSON written and read."""

import json
import random
import re
from collections import Counter, defaultdict

chance = random.Random(42)
letters = "etaoinshrdlu"
words = ["".join(chance.choices(letters, k=chance.randint(1, 9))) for _ in range(200)]
text = " ".join(chance.choices(words, k=1500))

counts = Counter(re.findall(r"\w+", text))
by_first = defaultdict(list)
for word, count in counts.items():
    by_first[word[0]].append({"word": word, "count": count, "share": count / len(text)})
again = json.loads(json.dumps(by_first, indent=1))


class Node:
    """A node of a tree of words."""

    def __init__(self):
        self.children = {}
        self.ends = False


root = Node()
for word in counts:
    node = root
    for letter in word:
        node = node.children.setdefault(letter, Node())
    node.ends = True

lines = [f"{entry['word']:>10} {entry['count']:5d}" for entry in sum(again.values(), [])]
print(len(sorted(lines)), sum(map(len, lines)), len(root.children))
