#!/usr/bin/env bash
# Runs ./dev test in a Debian 13 root, so that the release after ours is known to build and run the project before
# anybody installs on it. The root, what was built in it and its compiler cache stay in build/debian13; whatever is
# mounted, and every process, belongs to namespaces that end with this script, however it ends.
#
# usage: deploy/debian13.sh [WHAT…]       (as root; tests as ./dev test names them, `unit` when nothing is named)
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

tree=$PWD
folder=$tree/build/debian13
release=trixie

say() { printf 'debian13: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# Prints this machine's own sources of Debian packages, for the other release: that mirror can be reached.
sources() {
  # shellcheck disable=SC2016 # the variables are apt's
  apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
    awk -v release="$release" '
      $1 == "Debian" && $3 ~ /^[a-z]+(-updates|-security)?$/ && $4 == "main" {
        sub(/^[a-z]+/, release, $3)
        print "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]", $2, $3, $4
      }' | sort -u
}

# Makes the root under another name and renames it when it is whole. It starts with nothing but apt; ./dev, run inside,
# installs what it needs.
make_root() {
  [[ $(sources) ]] || apt-get update -qq
  [[ $(sources) ]] || die "this machine's apt knows no mirror of Debian (apt-get indextargets names none)"
  rm -rf --one-file-system "$folder/root.new"
  apt-config dump | grep -E '^Acquire::(https?::Proxy|Check-)' >"$folder/apt.conf" || true
  say "making a root of Debian 13 ($release)"
  sources | bwrap --dev-bind / / --proc /proc --unshare-pid --die-with-parent \
    mmdebstrap --mode=root --variant=apt --include=ca-certificates --aptopt="$folder/apt.conf" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' "$release" "$folder/root.new" - >"$folder/root.log" 2>&1 || {
    tail -n 20 "$folder/root.log" >&2
    die "making it failed; the whole of it is in ${folder#"$tree"/}/root.log"
  }
  mv "$folder/root.new" "$folder/root"
}

[[ $(id -u) -eq 0 ]] || die "only root can make a Debian 13 root and enter it: run it as root, or with sudo"
for program in mmdebstrap bwrap; do
  command -v "$program" >/dev/null || die "there is no $program: ./dev debian13 installs it"
done
mkdir -p "$folder/build"
exec 9>"$folder/lock"
flock --nonblock 9 || die "it is running already (${folder#"$tree"/}/lock)"
[[ -d $folder/root ]] || make_root

# The tree is read-only inside, and its build/ is one of its own: nothing that was built here is used there.
inside=/usr/src/gangway
environment=(HOME /root PATH /usr/sbin:/usr/bin:/sbin:/bin LANG C.UTF-8 TERM "${TERM:-dumb}"
  CCACHE_DIR "$inside/build/ccache")
for name in http_proxy https_proxy no_proxy SIM_SEED SIM_SEEDS; do
  [[ ! ${!name-} ]] || environment+=("$name" "${!name}")
done
setenv=()
for ((i = 0; i < ${#environment[@]}; i += 2)); do setenv+=(--setenv "${environment[i]}" "${environment[i + 1]}"); done

[[ $# -gt 0 ]] || set -- unit
say "running ./dev test $* in it"
bwrap --bind "$folder/root" / --dev /dev --proc /proc --perms 1777 --tmpfs /tmp \
  --ro-bind "$tree" "$inside" --bind "$folder/build" "$inside/build" \
  --ro-bind /etc/resolv.conf /etc/resolv.conf --ro-bind /etc/hosts /etc/hosts \
  --unshare-pid --die-with-parent --clearenv "${setenv[@]}" --chdir "$inside" \
  ./dev test "$@"
