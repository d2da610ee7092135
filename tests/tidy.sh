#!/usr/bin/env bash
# The house habits that a machine can see. Each finding names a file, a line and what to do about it; a line that has a
# good reason to differ says so, itself or in the line above: `tidy: allow (the reason)`. tests/tidy_test.sh proves that
# each rule bites.
#
# usage: tests/tidy.sh [FOLDER]       (the project's root, unless another working tree is named)
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"

findings=0
found() {
  printf '%s: %s\n' "$1" "$2"
  findings=$((findings + 1))
}

# Prints the files that match these pathspecs, tracked or about to be.
files() {
  git -c safe.directory="$PWD" ls-files --cached --others --exclude-standard -- "$@" |
    while read -r file; do [[ ! -f $file ]] || printf '%s\n' "$file"; done
}

# Refuses each line that matches the pattern, in the files of these pathspecs.
refuse() {
  local advice=$1 pattern=$2 file line
  shift 2
  while IFS=: read -r file line _; do
    sed -n "$((line > 1 ? line - 1 : 1)),${line}p" "$file" | grep -q 'tidy: allow ([^)]' || found "$file:$line" "$advice"
  done < <(files "$@" | xargs -r -d '\n' grep -nHIE -e "$pattern" --)
}

# Refuses includes of our own headers from other folders than these.
may_include() {
  local allowed=$1
  shift
  refuse "may include only from: ${allowed//|/, }; the link lines of CMake say the same" \
    "^ *# *include \"($(other_folders "$allowed"))" "$@"
}
other_folders() {
  local folder others=()
  for folder in protocol actors/policy actors/store actors net config server console bench tests; do
    [[ "|$1|" == *"|$folder|"* ]] && continue
    [[ $folder == actors/* && "|$1|" == *"|actors|"* ]] && continue
    if [[ $folder == actors ]]; then others+=('actors/[^/]*"'); else others+=("$folder/"); fi
  done
  (IFS='|' && echo "${others[*]}")
}

[[ $(files | wc -l) -gt 0 ]] || { echo "tidy: git lists no file here, so nothing was read" >&2 && exit 1; }

# State has one owner and is reached by message: a lock in an actor means that something is shared.
refuse "no locks or atomics in actors/ and protocol/: give the state one owner and send it a message" \
  'std::(recursive_|shared_|timed_)*mutex|std::atomic|std::(lock_guard|unique_lock|shared_lock|scoped_lock)|std::condition_variable|include <(mutex|shared_mutex|atomic|condition_variable)>' \
  'actors/*' 'protocol/*'

# Sockets and actors meet in session_link and anon_send, nowhere else.
refuse "no Boost in actors/ and protocol/: sockets belong to net/" '# *include [<"]boost/' 'actors/*' 'protocol/*'

# A policy decides from values; what links CAF can no longer be tested without an actor system.
refuse "no CAF in actors/policy/: take what the decision needs as arguments" '# *include [<"]caf/' 'actors/policy/*'

# The architecture: who may know whom.
may_include 'protocol' 'protocol/*'
may_include 'protocol|actors/policy' 'actors/policy/*'
may_include 'protocol|actors' 'actors/*' ':!actors/policy/*'
may_include 'protocol|net' 'net/*'
may_include 'protocol|config' 'config/*'

# One Beast stream takes a minute to compile, so its headers are opened in exactly these files.
refuse "Beast's websocket headers are included only by net/websocket_*.cpp, bench/*.cpp and tests/*client*.cpp" \
  '# *include [<"](boost/beast(/websocket|\.hpp)|net/websocket_channel)' '*.cpp' '*.hpp' ':!net/websocket_*.cpp' \
  ':!net/websocket_channel.hpp' ':!bench/*.cpp' ':!tests/*client*.cpp'

# A test that waits by the clock is slow on a good day and wrong on a bad one.
refuse "no waiting by the clock in tests: use virtual time, or wait for the event itself" \
  'sleep_(for|until) *\(|\busleep *\(|\btime[.]sleep *\(|\basyncio[.]sleep *\( *[^0)]|\basyncio[.]sleep *\( *0[.]|setTimeout *\( *(\( *\) *=> *)?(resolve|done|ok|r|res|next)\b|timers[/]promises|waitFor[T]imeout' \
  'tests/*'
refuse "no waiting by the clock in tests: wait for the event itself" '(^|[;&|({]|\bdo|\bthen|\belse) *sleep +[0-9.$"]' \
  'tests/*.sh'

# What is left open belongs in an issue, where somebody will find it.
refuse "nothing is left open in the text: do it, or file an issue" '\b(TO[D]O|FIX[M]E|X[X]X|HAC[K])\b' '*'

# The project must work on machines that nobody here has seen.
refuse "no path of one machine: derive it, or take it as an argument" '(^|[^A-Za-z0-9._-])/(work|root)/' '*'
refuse "no registry's host: apt and npm know theirs" \
  '(deb|security|ftp)[.]debian[.]org|registry[.]npmjs|npmjs[.]org|pypi[.]org|pythonhosted[.]org|crates[.]io' '*'

# A header that is read twice does not compile.
while read -r file; do
  [[ $(grep -vE -m1 '^ *(//.*)?$' "$file" || true) == '#pragma once' ]] ||
    found "$file:1" "begin the header with #pragma once"
done < <(files '*.hpp')

# Over 500 lines a file usually has two subjects.
while read -r file; do
  lines=$(wc -l <"$file")
  [[ $lines -le 500 ]] || found "$file:$lines" "over 500 lines: split it by subject"
done < <(files dev '*.cpp' '*.hpp' '*.sh' '*.py' '*.js' '*.mjs' '*.ts' '*.html' '*.css')

# Every clone carries every file for ever.
while read -r file; do
  bytes=$(wc -c <"$file")
  [[ $bytes -le 300000 ]] || found "$file:1" "$bytes bytes, over 300 KB: make it when it is needed"
done < <(files)

# A test stands where its subject stands: tests/policy/liveness_test.cpp for actors/policy/liveness.hpp; one of a whole
# folder bears the folder's name.
while read -r file; do
  folder=$(cut -d/ -f2- <<<"$(dirname "$file")")
  subject=$(basename "$file" _test.cpp)
  case $folder in
  policy | store) folder=actors/$folder ;;
  protocol | actors | net | net/* | config) ;;
  *) continue ;;
  esac
  [[ $subject == "$(basename "$folder")" || -f $folder/$subject.hpp || -f $folder/$subject.cpp ]] || grep -q 'tidy: allow ([^)]' "$file" ||
    found "$file:1" "no $folder/$subject.hpp or .cpp: name the test after what it tests"
done < <(files 'tests/*/*_test.cpp')

# The README's two commands are the whole promise to a newcomer.
for command in './dev run' './dev test'; do
  grep -qsF -- "$command" README.md || found "README.md:1" "name the command $command"
done

[[ $findings -eq 0 ]] || { echo "tidy: $findings findings" >&2 && exit 1; }
