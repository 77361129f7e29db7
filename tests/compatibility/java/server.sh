# The broker under test. Sourced by the scripts beside it, not run.
#   MILLSTREAM=path        the binary under test (default: target/debug/millstream, which is built first)
#   KAFKA_PEER=host:port   that broker instead, to test the tests
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../../.." && pwd)
work=$repository/target/compatibility/java

# usage ARGUMENTS... - prints what the script says of itself when that was asked for
usage() {
  case ${1:-} in -h | --help)
    sed -n '2,/^set /{s/^# \{0,1\}//p}' "$0"
    exit 0 ;;
  esac
}

# install_java - where it may, as the other tests do with what they need
install_java() {
  if { ! command -v mvn || ! command -v javac; } > /dev/null && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    { apt-get update --quiet=2 && DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes default-jdk-headless maven; } \
      > "$work/apt.log" 2>&1 || echo "Java and Maven could not be installed, see $work/apt.log" >&2
  fi
  if ! command -v mvn > /dev/null; then
    echo "Maven is missing, and with it the Java clients" >&2
    exit 1
  fi
}

# start_broker - sets $broker; a server of ours ends with the script
start_broker() {
  mkdir -p "$work"
  install_java
  if [ -n "${KAFKA_PEER:-}" ]; then
    broker=$KAFKA_PEER
    return
  fi
  local millstream=${MILLSTREAM:-$repository/target/debug/millstream}
  if [ -z "${MILLSTREAM:-}" ]; then
    cargo build --quiet --manifest-path "$repository/Cargo.toml" --bin millstream
  fi
  if [ ! -x "$millstream" ]; then
    echo "no binary at $millstream" >&2
    exit 1
  fi
  # Nothing but how long to wait is changed: tests of rebalancing, timeouts and compaction then take moments.
  data=$(mktemp -d)
  "$millstream" serve --kafka 127.0.0.1:0 --http 127.0.0.1:0 --data-dir "$data/data" \
    --set group.initial.rebalance.delay.ms=0 --set group.consumer.heartbeat.interval.ms=500 \
    --set group.share.heartbeat.interval.ms=500 --set group.share.min.heartbeat.interval.ms=500 --set group.share.min.record.lock.duration.ms=1000 \
    --set transaction.abort.timed.out.transaction.cleanup.interval.ms=500 --set log.cleaner.backoff.ms=500 \
    > "$data/out" 2> "$work/server.log" &
  server_pid=$!
  trap stop_broker EXIT
  broker=
  for _ in $(seq 300); do
    broker=$(sed -n 's/^kafka //p' "$data/out")
    [ -n "$broker" ] && return
    kill -0 "$server_pid" 2> /dev/null || break
    sleep 0.1
  done
  echo "the server did not start" >&2
  cat "$work/server.log" >&2
  exit 1
}

# Ends our own server, whatever happened; one that is gone already, or does not end as it should, makes the run fail.
stop_broker() {
  local code=$? ended=0
  trap - EXIT
  kill "$server_pid" 2> /dev/null || true
  wait "$server_pid" || ended=$?
  rm -rf "$data"
  if [ "$ended" != 0 ]; then
    echo "the server ended with code $ended, see $work/server.log" >&2
    code=1
  fi
  exit "$code"
}
