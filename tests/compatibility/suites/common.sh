# What the suites share. Sourced by the scripts beside it, not run.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(cd "$here/../../.." && pwd)/target/compatibility/suites
export PYTHONDONTWRITEBYTECODE=1  # nothing is left behind outside of target/

# broker ARGUMENTS... - the first of them, when it is HOST:PORT and something listens there
broker() {
  if [[ ! ${1:-} =~ ^[^:]+:[0-9]+$ ]]; then
    sed -n '2,/^set /{s/^# \{0,1\}//p}' "$0" >&2
    exit 2
  fi
  if ! (exec 3<> "/dev/tcp/${1/://}") 2> /dev/null; then
    echo "no broker answers at $1" >&2
    exit 2
  fi
  echo "$1"
}

# skipped FILE - the first word of each line; the rest is the reason. EVERYTHING=1 runs them all the same.
skipped() {
  [ "${EVERYTHING:-0}" = 1 ] || sed '/^#/d; /^ *$/d; s/ .*//' "$1"
}

# done_before FOLDER TEXT - whether the folder was prepared to its end, and with just that text, which then lies in it
done_before() {
  [ "$(cat "$1/prepared.txt" 2> /dev/null)" = "$2" ]
}

# crate NAME VERSION FOLDER - the package as it was published, unpacked into a new FOLDER
crate() {
  local project=$work/crates/$1
  rm -rf "$project" "$3"
  mkdir -p "$project/src" "$(dirname "$3")"
  touch "$project/src/lib.rs"
  printf '[package]\nname = "fetch"\nedition = "2021"\n[dependencies]\n%s = "=%s"\n[workspace]\n' "$1" "$2" > "$project/Cargo.toml"
  (cd "$project" && cargo vendor --quiet --versioned-dirs vendor > /dev/null)
  mv "$project/vendor/$1-$2"* "$3"
  rm -r "$project"
}
