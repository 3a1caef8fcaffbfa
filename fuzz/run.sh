#!/usr/bin/env bash
# Builds every fuzz target once and runs each for some seconds, over the corpus that is kept.
#
#   fuzz/run.sh [SECONDS [TARGET...]]     5 seconds and every target, unless said otherwise
#
# The stable toolchain is enough: no sanitizer is used, since the code under test has no `unsafe`.
# What a run finds that is new goes to fuzz/target/found/TARGET; an input that fails to
# fuzz/artifacts/TARGET, and is run again with `cargo fuzz run -s none --dev TARGET FILE`.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-5}
shift || true
target_dir=${CARGO_TARGET_DIR:-fuzz/target}
host=$(rustc -vV | sed -n 's/^host: //p')

command -v cargo-fuzz >/dev/null || cargo install --locked --quiet cargo-fuzz
cargo fuzz build --dev -s none --target-dir "$target_dir" --target "$host"

if [ $# -gt 0 ]; then targets=("$@"); else mapfile -t targets < <(cargo fuzz list); fi
for target in "${targets[@]}"; do
  found=$target_dir/found/$target artifacts=fuzz/artifacts/$target
  mkdir -p "$found" "$artifacts"
  log=$target_dir/found/$target.log
  if ! "$target_dir/$host/debug/$target" "$found" "fuzz/corpus/$target" \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=16384 \
    -artifact_prefix="$artifacts/" 2>"$log"; then
    tail -n 60 "$log" >&2
    echo "fuzz: $target failed; the input is in $artifacts" >&2
    exit 1
  fi
  printf 'fuzz: %-12s %s\n' "$target" "$(grep -E '^Done' "$log" || tail -n 1 "$log")"
done
