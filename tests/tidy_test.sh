#!/usr/bin/env bash
# Plants one violation of each house habit in a small tree of its own, and the nearest thing that is allowed beside it:
# tests/tidy.sh must name the one and stay silent about the other. Words that it would find here too are cut in two.
set -euo pipefail
tidy=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/tidy.sh")
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
git -C "$tree" init --quiet
failed=0

clean() {
  find "$tree" -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +
  printf './dev run\n./dev test\n' >"$tree/README.md"
}
plant() {
  mkdir -p "$(dirname "$tree/$1")"
  printf '%b\n' "$2" >"$tree/$1"
}
wrong() {
  printf 'tidy_test: %s\n' "$1"
  failed=1
}

# Expects exactly one finding, at this place, for a file of this text.
refused() {
  local output
  clean
  plant "$1" "$3"
  if output=$("$tidy" "$tree" 2>/dev/null); then wrong "not refused: $1: $3"; fi
  [[ $output == "$1:$2: "* && $(wc -l <<<"$output") -eq 1 ]] || wrong "expected one finding at $1:$2, got: $output"
}
# Expects no finding.
allowed() {
  local output
  clean
  plant "$1" "$2"
  output=$("$tidy" "$tree" 2>&1) || wrong "refused, though it is allowed: $output"
}

refused actors/user.cpp 2 '\nstd::mutex guard;'
refused actors/store/engine.cpp 1 'std::atomic<bool> stop;'
refused protocol/wire.cpp 1 '#include <mutex>'
allowed actors/store/engine.cpp 'std::atomic<bool> stop; // tidy: allow (read by the signal handler)'
allowed net/loops.cpp 'std::mutex guard;'

refused actors/user.cpp 1 '#include <boost/asio.hpp>'
refused protocol/wire.cpp 1 '#include <boost/url.hpp>'
allowed net/http.cpp '#include <boost/asio.hpp>'

refused actors/policy/liveness.cpp 1 '#include <caf/all.hpp>'
allowed actors/user.cpp '#include <caf/all.hpp>'

refused net/http.cpp 1 '#include "actors/user.hpp"'
refused net/http.cpp 1 '#include "actors/store/engine.hpp"'
allowed net/http.cpp '#include "net/http.hpp"\n#include "protocol/wire.hpp"'
refused protocol/wire.cpp 1 '#include "net/http.hpp"'
refused actors/user.cpp 1 '#include "net/http.hpp"'
allowed actors/user.cpp '#include "actors/policy/liveness.hpp"\n#include "actors/manager.hpp"'
refused actors/policy/liveness.cpp 1 '#include "actors/user.hpp"'
refused actors/policy/liveness.cpp 1 '#include "actors/store/engine.hpp"'
allowed actors/policy/liveness.cpp '#include "protocol/vocabulary.hpp"\n#include "actors/policy/liveness.hpp"'
refused config/settings.cpp 1 '#include "net/http.hpp"'

refused net/http.cpp 1 '#include <boost/beast/websocket.hpp>'
refused net/session.cpp 1 '#include "net/websocket_channel.hpp"'
refused net/websocket_plain.hpp 2 '#pragma once\n#include <boost/beast/websocket.hpp>'
refused server/main.cpp 1 '#include <boost/beast.hpp>'
allowed net/websocket_plain.cpp '#include <boost/beast/websocket.hpp>'
allowed bench/plain.cpp '#include <boost/beast/websocket.hpp>'
allowed net/http.cpp '#include <boost/beast/http.hpp>'

refused tests/simulation/a.cpp 1 'std::this_thread::sleep_''for(1s);'
refused tests/e2e/a.py 1 'time.sle''ep(1)'
refused tests/e2e/a.py 1 'await asyncio.sle''ep(0.1)'
allowed tests/e2e/a.py 'await asyncio.sleep(0)'
refused tests/e2e/a.mjs 1 'await new Promise((resolve) => setTime''out(resolve, 100));'
refused tests/e2e/a.mjs 1 'await page.waitForTime''out(100);'
allowed tests/e2e/a.mjs 'setTime''out(() => fail("nothing came"), 10000);'
refused tests/e2e/a.sh 2 '#!/bin/sh\nwhile true; do sle''ep 1; done'
allowed tests/e2e/a.sh 'sleep 1 # tidy: allow (a client that is silent on purpose)'
allowed tests/e2e/a.sh '# tidy: allow (a client that is silent on purpose)\nsleep 1'
refused tests/e2e/a.sh 3 '# tidy: allow (this reason belongs to the next line)\n\nsleep 1'
refused tests/e2e/a.sh 1 'sleep 1 # tidy: allow ()'

refused docs/a.md 3 'one\n\nTO''DO: more'
refused dev 1 '# FIX''ME'
allowed docs/a.md 'TODOS and mktemp XXXXXX'

refused docs/a.md 1 'see /wo''rk/main'
refused dev 1 'cd /ro''ot/gangway'
allowed docs/a.md 'https://example.com/wo''rk/ and network/ro''ot/'
refused package-lock.json 1 '"resolved": "https://registry.np''mjs.org/ws"'
refused deploy/Containerfile 1 'RUN echo deb http://deb.deb''ian.org/debian bookworm main'

refused net/http.hpp 1 '#include <string>'
allowed net/http.hpp '// What this is.\n\n#pragma once'

refused net/http.cpp 501 "$(yes | head -n 501)"
allowed net/http.cpp "$(yes | head -n 500)"
refused docs/big.txt 1 "$(head -c 300000 /dev/zero | tr '\0' x)"
allowed docs/big.txt "$(head -c 299999 /dev/zero | tr '\0' x)"

refused tests/policy/liveness_test.cpp 1 'int main() {}'
allowed tests/simulation/storm_test.cpp 'int main() {}'
allowed tests/config/config_test.cpp 'int main() {}'
clean
plant tests/policy/liveness_test.cpp 'int main() {}'
plant actors/policy/liveness.hpp '#pragma once'
"$tidy" "$tree" || wrong "a test beside its subject was refused"

clean
echo './dev run' >"$tree/README.md"
[[ $("$tidy" "$tree" 2>/dev/null) == *'./dev test' ]] || wrong "a README without ./dev test was accepted"
rm "$tree/README.md"
if "$tidy" "$tree" 2>/dev/null; then wrong "an empty tree was accepted"; fi

exit "$failed"
