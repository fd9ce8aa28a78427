#!/bin/sh
# Starts a Redis server on a unix socket, puts load on it and reads back what it holds.
#
# redis.sh PROGRAM: the allocator is preloaded into the server alone. Debian's redis-tools holds the
# server under the name of its checker; the name that it is started with tells it what to be.
set -eu
lib=${LD_PRELOAD-}
unset LD_PRELOAD
ln -s "$1" redis-server
LD_PRELOAD=$lib ./redis-server --port 0 --unixsocket "$PWD/socket" --save '' --daemonize no \
    --enable-debug-command yes >log 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
while [ ! -S socket ]; do
    kill -0 "$server" 2>/dev/null || { tail -n 1 log >&2; exit 1; }
    sleep 0.01
done
redis-benchmark -s "$PWD/socket" -q -n 4000 -c 4 -P 4 -d 200 -t set,get,lpush,lpop,sadd,hset >bench
redis-cli -s "$PWD/socket" flushall
awk 'BEGIN { for (n = 0; n < 2000; n++) {
    printf "SET string:%d %0*d\nHSET hash:%d field%d %d\nRPUSH list:%d value%d\n", \
        n, n % 400 + 1, n, n % 50, n, n, n % 20, n
    if (n % 3 == 0) printf "DEL string:%d\n", n / 2 } }' |
    redis-cli -s "$PWD/socket" >answers
redis-cli -s "$PWD/socket" debug digest
redis-cli -s "$PWD/socket" dbsize
redis-cli -s "$PWD/socket" shutdown nosave
wait "$server"
