#!/bin/sh
# Makes a repository with a known history in the working folder and reads it back.
set -eu
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_AUTHOR_DATE=2024-01-02T03:04:05Z
export GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org
export GIT_COMMITTER_DATE=2024-01-02T03:04:05Z
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
git -c init.defaultBranch=main init -q
for commit in 1 2 3 4; do
    awk -v n="$commit" 'BEGIN {
        for (f = 0; f < 40; f++) {
            name = "file" f ".txt"
            for (i = 0; i < 200; i++) printf "line %d of %s: %d\n", i, name, i * n * f % 1009 > name
            close(name)
        }
    }'
    git add .
    git commit -q -m "change $commit"
done
git -c pack.threads=1 repack -a -d -f -q
git log -p --stat | cksum
git blame file7.txt | cksum
git fsck --full --no-progress
git rev-parse HEAD
