# Shared by the scripts beside it. Source it; it sets the strict mode, goes to the top of the tree
# and puts Debian's own tools first, so that a script means the same on every machine.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export LC_ALL=C.UTF-8
unset CC CFLAGS CXX CXXFLAGS LDFLAGS DESTDIR

jobs=$(nproc 2>/dev/null || echo 2)

if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' dim='' green='' red='' plain=''
fi

say() {
    printf '%s\n' "$*"
}

step() {
    printf '%s==>%s %s%s%s\n' "$green" "$plain" "$bold" "$*" "$plain"
}

die() {
    printf '%serror:%s %s\n' "$red" "$plain" "$*" >&2
    exit 1
}

# The usage text of a script: the comment that follows its first line.
usage() {
    sed -n '2,/^[^#]/{/^# \{0,1\}/s///p}' "$0"
}

# Runs a command silently; when it fails, shows all that it said and returns its status.
quietly() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 </dev/null || status=$?
    [ "$status" = 0 ] || cat "$log"
    rm -f "$log"
    return "$status"
}

# ---- Packages --------------------------------------------------------------------------------------

# The packages of the given groups, from packages.txt.
packages_of() {
    awk -v groups="$*" '
        BEGIN { split(groups, list, " "); for (i in list) { wanted[list[i]] = 1 } }
        !/^#/ && NF >= 3 && ($1 in wanted) { print $2 }' script/packages.txt
}

# Those of the given packages that are not installed. What an installed one provides is there: a nodejs
# from elsewhere may come with npm, and conflict with Debian's.
missing_packages() {
    local package there
    there=$(dpkg-query -W -f='${db:Status-Status}, ${Package}, ${Provides}\n' | awk -F', *' '
        $1 == "installed" { for (i = 2; i <= NF; i++) { sub(/ .*/, "", $i); print $i } }')
    for package; do
        grep -qxF -- "$package" <<<"$there" || printf '%s\n' "$package"
    done
}

# Runs a command as root: as we are, or through sudo.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Installs packages, without starting the services that some of them bring: nobody asked for those.
install_packages() {
    local policy=/usr/sbin/policy-rc.d status=0 ours=''
    if [ ! -e "$policy" ]; then
        ours=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    quietly as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "$@" || status=$?
    [ -z "$ours" ] || as_root rm -f "$policy"
    return "$status"
}

# Makes sure that the packages of these groups are there. Says what it installs; says nothing when
# there is nothing to do.
need() {
    local missing
    command -v dpkg-query >/dev/null || die "these scripts install Debian packages and this system" \
        "has no dpkg; script/packages.txt lists what is needed and why"
    # shellcheck disable=SC2046
    missing=$(missing_packages $(packages_of "$@") | sort -u | tr '\n' ' ')
    missing=${missing% }
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        die "these Debian packages are missing, and installing them takes root or sudo: $missing"
    fi
    step "Installing Debian packages: $missing"
    quietly as_root apt-get update -q || die "apt-get update failed (see above)"
    # shellcheck disable=SC2086
    install_packages $missing ||
        die "apt-get could not install: $missing (see above)"
}

# ---- Builds ----------------------------------------------------------------------------------------

# configure DIR COMPILER MESON-ARGUMENTS…: a build directory with exactly these options. An existing
# one is kept when it was made with the same ones in the same place.
configure() {
    local dir=$1 compiler=$2 wish
    shift 2
    wish="$root $compiler $*"
    if [ -f "$dir/build.ninja" ] && [ "$(cat "$dir/.wish" 2>/dev/null)" = "$wish" ]; then
        return 0
    fi
    rm -rf "$dir"
    CC=$compiler quietly meson setup "$dir" "$@" || return 1
    printf '%s\n' "$wish" >"$dir/.wish"
}

# compile DIR: everything in it, silently unless it fails.
compile() {
    quietly ninja -C "$1" -j "$jobs"
}

# expose_programs DIR: DIR/stax and DIR/stax-server, wherever meson put them.
expose_programs() {
    local name at
    for name in stax stax-server; do
        [ -f "$1/$name" ] && [ ! -L "$1/$name" ] && continue
        at=$(cd "$1" && find src -type f -name "$name" -perm -u+x -print -quit)
        if [ -z "$at" ]; then
            printf 'no program named %s was built in %s\n' "$name" "$1"
            return 1
        fi
        ln -sfn "$at" "$1/$name"
    done
}

# The browser's page, which goes into the server. One without it works, too, but for browsers.
build_web() {
    script/build-web && return 0
    printf '%swarning:%s stax-server is built without the browser interface\n' "$bold" "$plain" >&2
}

# The release build in build/, with link-time optimisation. Further arguments go to meson.
build_release() {
    build_web
    configure build gcc --buildtype=release -Db_lto=true "$@" || return 1
    compile build || return 1
    expose_programs build
}
