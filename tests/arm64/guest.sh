#!/usr/bin/env bash
# tests/arm64/guest.sh
#
# Runs in the virtual machine, whose /share is a folder that test_arm64.py has filled and reads again:
#
#   bin lib targets unit   programs, and libraries that the guest does not have
#   plan                   what to record: NAME|OPTIONS OF record|COMMAND, one per line
#   out                    of each NAME what `record` and the target said, and what stax answered;
#                          of each unit test its output and status
#
# It judges nothing. What it waits for is bounded by the machine's own time limit.

set -u
out=/share/out

# Files are read many times, and the share is slow.
mkdir /tmp/arm64
cp -r /share/bin /share/lib /share/targets /share/unit /tmp/arm64
cd /tmp/arm64/targets || exit 1
export LD_LIBRARY_PATH=/tmp/arm64/lib PATH=/tmp/arm64/bin:$PATH
export STAX_SERVER_SOCKET=/tmp/arm64/socket DEBUGINFOD_URLS=''

# answer FILE COMMAND…: what it says, and its status.
answer() {
    local file=$out/$1
    shift
    "$@" >"$file" 2>"$file.err"
    printf '%s\n' "$?" >"$file.status"
}

# Names are read by a worker: an answer says which it needs, a later one has them.
settle() {
    stax flame "$@" >/dev/null
    while stax diagnose --json | grep -q '"state": *"loading"'; do
        stax flame "$@" >/dev/null
    done
}

record() {
    local name=$1 options=$2 command=$3 tid
    # shellcheck disable=SC2086
    TRUTH=/tmp/arm64/truth answer "$name.record" stax record $options -- $command
    mv /tmp/arm64/truth "$out/$name.truth"
    tid=$(sed -n 's/.*"stack": {[^}]*"tid": \([0-9]*\).*/\1/p' "$out/$name.truth")
    settle ${tid:+--tid "$tid"}
    answer "$name.flame" stax flame ${tid:+--tid "$tid"} --depth 1024 --threshold-pct 0 --json
    answer "$name.waits" stax intervals ${tid:+--tid "$tid"} -n 1000 --json
}

cp /proc/cpuinfo "$out/cpuinfo"
for test in ../unit/test_*; do
    answer "$(basename "$test")" "$test"
done

export XDG_STATE_HOME=/tmp/arm64/state
mkfifo /tmp/arm64/ready
stax-server --ready-fd 9 9>/tmp/arm64/ready 2>"$out/server.err" &
server=$!
read -r -n 1 </tmp/arm64/ready || exit 1
while IFS='|' read -r name options command; do
    record "$name" "$options" "$command"
done </share/plan
kill "$server"
wait "$server"
printf '%s\n' "$?" >"$out/server.status"
