#!/bin/sh
# Makes the base image without a registry: debootstrap, then `docker import`.
#
#   base.sh [TAG]              default cloud-code-base:latest
#
# environment: SUITE (bookworm), MIRROR (debootstrap's own), DOCKER (docker),
#              INCLUDE (ca-certificates): packages besides the minimal ones, joined by commas
#
# Needs root and debootstrap. Any other Debian or Ubuntu image serves as well: give it to the
# Dockerfile as BASE_IMAGE.
set -eu

tag=${1:-cloud-code-base:latest}
suite=${SUITE:-bookworm}
mirror=${MIRROR:-}
docker=${DOCKER:-docker}
include=${INCLUDE:-ca-certificates}

for program in debootstrap tar "$docker"; do
    command -v "$program" >/dev/null || { echo "base.sh: $program is not installed" >&2; exit 1; }
done
[ "$(id -u)" = 0 ] || { echo "base.sh: debootstrap needs root" >&2; exit 1; }

root=$(mktemp -d "${TMPDIR:-/tmp}/cloud-code-base.XXXXXX")
trap 'rm -rf --one-file-system "$root"' EXIT INT TERM

debootstrap --variant=minbase --include="$include" "$suite" "$root" ${mirror:+"$mirror"} >&2
# What only the build needed, or would be the same on every machine.
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/var/log/*
: >"$root/etc/machine-id"
rm -f "$root/etc/hostname" "$root/etc/resolv.conf"

tar -C "$root" --numeric-owner --one-file-system -cf - . |
    "$docker" import --change 'CMD ["/bin/sh"]' - "$tag" >&2
echo "$tag"
