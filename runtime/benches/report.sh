#!/usr/bin/env bash
# Runs every bench and the peers, and writes what they print to runtime/benches/REPORT.md. If one of
# them fails, the old report stays.
set -euo pipefail
cd "$(dirname "$0")/../.."

# What else keeps the machine busy. Ratios bear it, times do not.
load=$(cut -d' ' -f1 /proc/loadavg 2>/dev/null || echo unknown)
report=$(mktemp)
trap 'rm -f "$report"' EXIT

benches=(ratios instructions fan_out size compile)
for bench in "${benches[@]}"; do
    echo "bench: $bench" >&2
    cargo bench --locked --quiet -p cancel-guarded --bench "$bench" >>"$report"
done

echo "bench: peers" >&2
printf '### Peers\n\n' >>"$report"
cargo run --locked --quiet --release --manifest-path runtime/benches/peers/Cargo.toml >>"$report"

missed=$(grep -c '| \*\*missed\*\* |$' "$report" || true)
met=$(grep -c '| met |$' "$report" || true)
processor=$(lscpu 2>/dev/null | sed -n 's/^Model name: *//p' || true)

cat - "$report" >runtime/benches/REPORT.md <<END
# All rows of the benches

Written by \`runtime/benches/report.sh\` from one run; what each figure is, and how it is taken,
stands in [\`README.md\`](README.md).

| | |
|---|---|
| date | $(date -u '+%Y-%m-%d %H:%M UTC') |
| command | \`runtime/benches/report.sh\` |
| commit | $(git rev-parse --short HEAD)$(git diff --quiet HEAD -- runtime macros || echo ', with changes that are not committed') |
| compiler | $(rustc --version) |
| processor | ${processor:-unknown}, $(nproc) cores |
| load before the run | $load |
| targets | $met met, $missed missed |

END
