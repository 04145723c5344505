#!/usr/bin/env bash
#
# Checks docs/balance/echo-server@.service with systemd-analyze, for each of
# the three servers. systemd-analyze reports an unknown key and an unusable
# value as warnings and still exits with 0, so whatever it says is a fault. A
# planted fault shows that it would be found.

set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null

room=$(mktemp -d)
trap 'rm -rf -- "$room"' EXIT
programs=${CARGO_TARGET_DIR:-$PWD/target}/release
for server in threads process mux; do
  [ -x "$programs/$server-server" ] ||
    cargo build --release --quiet -p "$server-server"
  # The unit names the installed programs; here they are where cargo put them.
  sed "s|/usr/local/bin/|$programs/|" 'docs/balance/echo-server@.service' \
    >"$room/echo-server@$server.service"
done

# Nothing else on this machine is to be judged: only what names our units.
verdict() {
  systemd-analyze verify --man=no "$room"/*.service 2>&1 |
    grep -F echo-server || true
}

said=$(verdict)
if [ -n "$said" ]; then
  printf '%s\n' "$said" >&2
  exit 1
fi
sed -i 's/^Restart=/Restrat=/' "$room/echo-server@mux.service"
if ! verdict | grep -q Restrat; then
  echo 'a planted fault is not found' >&2
  exit 1
fi
echo 'echo-server@.service: nothing to object to'
