#!/bin/sh
# Makes cloud-code_VERSION_ARCHITECTURE.deb of programs that are built already, with dpkg-deb alone:
#
#   packaging/build-deb.sh [-Z COMPRESSION] PROGRAMS AGENTD [INTO]
#
# PROGRAMS  the directory with orchestratord and cloud-code, for example target/release
# AGENTD    the static agentd
# INTO      the directory for the package; the current one if it is left out
# -Z        what dpkg-deb compresses with; xz if it is left out
#
# The completion scripts, the manual and the example configuration are asked of the programs, so that
# they are theirs. With SOURCE_DATE_EPOCH the same programs make the same package.
set -eu

fail() {
  echo "build-deb.sh: $*" >&2
  exit 1
}

compression=xz
if [ "${1-}" = -Z ]; then
  [ $# -ge 2 ] || fail "-Z wants a compression: xz, zstd, gzip, none"
  compression=$2
  shift 2
fi
[ $# -eq 2 ] || [ $# -eq 3 ] || fail "say: packaging/build-deb.sh PROGRAMS AGENTD [INTO]"
here=$(cd "$(dirname "$0")" && pwd)
programs=$1 agentd=$2 into=${3-.}
for program in "$programs/orchestratord" "$programs/cloud-code" "$agentd"; do
  [ -x "$program" ] || fail "there is no program $program: build it first, as the README says"
done
# It is mounted into images that it knows nothing of. ldd says so of one in both of its words.
ldd "$agentd" 2>&1 | grep -qE 'not a dynamic executable|statically linked' ||
  fail "$agentd is not static: build it with RUSTFLAGS=\"-C target-feature=+crt-static\""

version=$("$programs/orchestratord" --version | cut -d' ' -f2)
[ "$("$programs/cloud-code" --version | cut -d' ' -f2)" = "$version" ] ||
  fail "orchestratord and cloud-code are of two versions: build both again"
architecture=$(dpkg --print-architecture)
# What is built here may want everything that the C library here has.
libc=$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
umask 022
chmod 0755 "$root"
doc=$root/usr/share/doc/cloud-code

install -D -m 0755 -t "$root/usr/bin" "$programs/orchestratord" "$programs/cloud-code"
install -D -m 0755 "$agentd" "$root/usr/lib/cloud-code/agentd"
install -D -m 0644 -t "$root/usr/lib/systemd/system" "$here/orchestratord.service"
install -D -m 0644 "$here/debian/default" "$root/etc/default/orchestratord"

install -d "$root/usr/share/bash-completion/completions" "$root/usr/share/man/man1" \
  "$root/usr/share/zsh/vendor-completions" "$root/usr/share/fish/vendor_completions.d"
for name in orchestratord cloud-code; do
  "$programs/$name" completions bash >"$root/usr/share/bash-completion/completions/$name"
  "$programs/$name" completions zsh >"$root/usr/share/zsh/vendor-completions/_$name"
  "$programs/$name" completions fish >"$root/usr/share/fish/vendor_completions.d/$name.fish"
  "$programs/$name" man "$root/usr/share/man/man1"
done
gzip -9n "$root"/usr/share/man/man1/*.1

install -d "$doc/examples"
"$programs/orchestratord" print-config |
  sed 's|/usr/local/lib/cloud-code|/usr/lib/cloud-code|' >"$doc/examples/orchestratord.toml"
install -m 0644 -t "$doc" "$here/../README.md" "$here/debian/copyright"
gzip -9nc "$here/../CHANGELOG.md" >"$doc/changelog.gz"

install -d "$root/DEBIAN"
for script in postinst prerm postrm; do
  install -m 0755 -t "$root/DEBIAN" "$here/debian/$script"
done
echo /etc/default/orchestratord >"$root/DEBIAN/conffiles"
size=$(du -sk --exclude=DEBIAN "$root" | cut -f1)
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@LIBC@/$libc/" \
  -e "s/@SIZE@/$size/" "$here/debian/control" >"$root/DEBIAN/control"
(cd "$root" && find usr -type f | LC_ALL=C sort | xargs md5sum) >"$root/DEBIAN/md5sums"

mkdir -p "$into"
dpkg-deb --root-owner-group -Z"$compression" --build "$root" \
  "$into/cloud-code_${version}_$architecture.deb"
