#!/bin/sh
# Images for the tests, made once: each tag names the recipe that it was made from.
#
#   images.sh [--tag] base|contract|backend        prints the image; with --tag it makes nothing
#
#   base      Debian with git, by debootstrap and `docker import`: no registry is asked
#   contract  the base with the image contract on it, and nothing else
#   backend   the image that dockerfiles/build.sh makes, with the three coding CLIs; takes minutes
#
# environment: DOCKER (docker), CA_BUNDLE (/etc/ssl/certs/ca-certificates.crt)
#
# Needs root and debootstrap where the base has to be made. Two that want the same image wait for
# each other.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
recipes=$here/../../dockerfiles
docker=${DOCKER:-docker}
bundle=${CA_BUNDLE:-/etc/ssl/certs/ca-certificates.crt}

only_tag=
if [ "${1:-}" = --tag ]; then
    only_tag=1
    shift
fi

digest() {
    sha256sum | cut -c 1-12
}

contract_recipe() {
    cat <<END
FROM $1
RUN groupadd --gid 10001 agent \\
 && useradd --uid 10001 --gid 10001 --home-dir /workspace --no-create-home agent \\
 && install -d -o 10001 -g 10001 /workspace /tools /cache
END
}

tag_of() {
    case $1 in
    base) echo "cloud-code-test-base:$(digest <"$recipes/base.sh")" ;;
    contract) echo "cloud-code-test-contract:$(contract_recipe "$(tag_of base)" | digest)" ;;
    backend)
        echo "cloud-code-backend:$(
            {
                tag_of base
                cat "$recipes/Dockerfile" "$recipes/build.sh" \
                    "$recipes/packages/all.txt" "$recipes/packages/backend.txt"
            } | digest
        )"
        ;;
    *)
        sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
}

make() {
    "$docker" image inspect "$2" >/dev/null 2>&1 && return 0
    case $1 in
    base) INCLUDE=ca-certificates,git "$recipes/base.sh" "$2" ;;
    contract)
        make base "$(tag_of base)"
        contract_recipe "$(tag_of base)" | DOCKER_BUILDKIT=0 "$docker" build -q --network none -t "$2" -
        ;;
    backend)
        make base "$(tag_of base)"
        [ ! -f "$bundle" ] || set -- "$@" --ca-bundle "$bundle"
        kind=$1 tag=$2
        shift 2
        "$recipes/build.sh" --base "$(tag_of base)" --tag "${tag##*:}" "$@" "$kind"
        ;;
    esac
}

tag=$(tag_of "${1:-}")
# What is there is waited for by nobody.
if [ -z "$only_tag" ] && ! "$docker" image inspect "$tag" >/dev/null 2>&1; then
    exec 9>"${TMPDIR:-/tmp}/cloud-code-test-images.lock"
    flock 9
    make "$1" "$tag" >&2
fi
echo "$tag"
