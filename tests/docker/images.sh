#!/bin/sh
# Images for the tests, made once: each tag names the recipe that it was made from.
#
#   images.sh [--tag] base|contract|backend|acp    prints the image; with --tag it makes nothing
#
#   base      Debian with git, by debootstrap and `docker import`: no registry is asked
#   contract  the base with the image contract on it, and nothing else
#   backend   the image that dockerfiles/build.sh makes, with the three coding CLIs; takes minutes
#   acp       the same with those that speak the Agent Client Protocol, as the README says to put them in
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

# Pinned as in tests/coding_clis/install.sh.
more="--build-arg OPENCODE_VERSION=1.18.33 --build-arg COPILOT_VERSION=1.0.102
    --build-arg QWEN_VERSION=0.24.4"

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

backend_recipe() {
    tag_of base
    cat "$recipes/Dockerfile" "$recipes/build.sh" \
        "$recipes/packages/all.txt" "$recipes/packages/backend.txt"
}

tag_of() {
    case $1 in
    base) echo "cloud-code-test-base:$(digest <"$recipes/base.sh")" ;;
    contract) echo "cloud-code-test-contract:$(contract_recipe "$(tag_of base)" | digest)" ;;
    backend) echo "cloud-code-backend:$(backend_recipe | digest)" ;;
    acp)
        echo "cloud-code-backend:acp-$(
            {
                backend_recipe
                echo "$more"
            } | digest
        )"
        ;;
    *)
        sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
}

build() {
    label=${1##*:}
    shift
    make base "$(tag_of base)"
    [ ! -f "$bundle" ] || set -- "$@" --ca-bundle "$bundle"
    "$recipes/build.sh" --base "$(tag_of base)" --tag "$label" "$@" backend
}

make() {
    "$docker" image inspect "$2" >/dev/null 2>&1 && return 0
    case $1 in
    base) INCLUDE=ca-certificates,git "$recipes/base.sh" "$2" ;;
    contract)
        make base "$(tag_of base)"
        contract_recipe "$(tag_of base)" | DOCKER_BUILDKIT=0 "$docker" build -q --network none -t "$2" -
        ;;
    backend) build "$2" ;;
    acp)
        # Nearly all of its layers are the other's.
        make backend "$(tag_of backend)"
        # shellcheck disable=SC2086 # one word per argument is meant
        build "$2" $more
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
