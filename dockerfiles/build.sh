#!/bin/sh
# Builds workstation images with the classic builder.
#
#   build.sh [--base IMAGE] [--ca-bundle FILE] [--tag TAG] [--build-arg K=V]... [TYPE]...
#
# Makes cloud-code-TYPE:TAG, by default cloud-code-backend:latest.
# Without --base it makes a Debian base by base.sh where there is none yet.
# --ca-bundle: for machines behind a proxy that signs certificates itself.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
docker=${DOCKER:-docker}
base=
bundle=
tag=latest
types=
set_args=
while [ $# -gt 0 ]; do
    case $1 in
        --base) base=$2; shift 2 ;;
        --ca-bundle) bundle=$2; shift 2 ;;
        --tag) tag=$2; shift 2 ;;
        --build-arg) set_args="$set_args --build-arg $2"; shift 2 ;;
        -*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
        *) types="$types $1"; shift ;;
    esac
done

if [ -z "$base" ]; then
    base=cloud-code-base:latest
    "$docker" image inspect "$base" >/dev/null 2>&1 || "$here/base.sh" "$base"
fi

context=$(mktemp -d "${TMPDIR:-/tmp}/cloud-code-image.XXXXXX")
trap 'rm -rf "$context"' EXIT INT TERM
cp -R "$here/Dockerfile" "$here/packages" "$here/ca" "$context/"
if [ -n "$bundle" ]; then
    # One authority per file: update-ca-certificates takes only the first of a bundle.
    awk -v dir="$context/ca" '
        /-----BEGIN CERTIFICATE-----/ { n++; file = sprintf("%s/bundle-%03d.crt", dir, n); on = 1 }
        on { print > file }
        /-----END CERTIFICATE-----/ { on = 0; close(file) }' "$bundle"
fi

for type in ${types:-backend}; do
    # shellcheck disable=SC2086 # one word per argument is meant
    DOCKER_BUILDKIT=0 "$docker" build -q -t "cloud-code-$type:$tag" $set_args \
        --build-arg "BASE_IMAGE=$base" --build-arg "AGENT_TYPE=$type" "$context"
done
