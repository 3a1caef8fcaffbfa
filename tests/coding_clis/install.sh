#!/bin/sh
# Installs the coding CLIs that the adapters are tested with, pinned, into a directory:
#
#   install.sh DIRECTORY [claude-code] [codex] [aider]        (all three without names)
#
#   DIRECTORY/bin/claude          native program of Claude Code
#   DIRECTORY/bin/codex           native program of Codex
#   DIRECTORY/bin/aider           aider; its first line names the Python it lives in
#
# Run again it changes nothing that already has the right version. It ends with a status other than
# 0 if a program does not report the version that is pinned here. npm, pip and python3 are needed;
# they use whatever mirror, proxy and certificates they are configured with.
set -eu

CLAUDE_CODE=2.1.330
CODEX=0.169.0
AIDER=0.86.2

die() {
    echo "install.sh: $*" >&2
    exit 1
}

[ $# -ge 1 ] || die "usage: install.sh DIRECTORY [claude-code] [codex] [aider]"
mkdir -p "$1"
directory=$(cd "$1" && pwd)
shift
[ $# -ge 1 ] || set -- claude-code codex aider
mkdir -p "$directory/bin"

# The version that a program reports, or nothing.
version_of() {
    [ -x "$1" ] || return 0
    "$1" --version 2>/dev/null | grep -Eo '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1
}

# npm_install FOLDER PACKAGE: --force, because npm otherwise silently takes an older release whose `engines`
# fit the Node at hand; both programs are native and need no Node at all.
npm_install() {
    npm install --prefix "$directory/$1" --force --no-audit --no-fund --no-save --loglevel=error \
        --fetch-retries=5 --fetch-retry-maxtimeout=60000 "$2"
}

# The biggest executable below a directory: both packages hold one native program.
native() {
    find "$directory/$1" -type f -perm -u+x -name "$2" -size +20M -print | head -n 1
}

install_claude_code() {
    [ "$(version_of "$directory/bin/claude")" = "$CLAUDE_CODE" ] && return 0
    npm_install claude-code "@anthropic-ai/claude-code@$CLAUDE_CODE"
    program=$(native claude-code 'claude*')
    [ -n "$program" ] || die "the package of Claude Code holds no native program for this platform"
    ln -sfn "$program" "$directory/bin/claude"
}

install_codex() {
    [ "$(version_of "$directory/bin/codex")" = "$CODEX" ] && return 0
    npm_install codex "@openai/codex@$CODEX"
    program=$(native codex 'codex')
    [ -n "$program" ] || die "the package of Codex holds no native program for this platform"
    ln -sfn "$program" "$directory/bin/codex"
}

install_aider() {
    [ "$(version_of "$directory/bin/aider")" = "$AIDER" ] && return 0
    python3 -m venv "$directory/aider"
    "$directory/aider/bin/python" -m pip install --quiet --disable-pip-version-check \
        --retries 10 --timeout 60 "aider-chat==$AIDER"
    ln -sfn "$directory/aider/bin/aider" "$directory/bin/aider"
}

verify() {
    found=$(version_of "$directory/bin/$1")
    [ "$found" = "$2" ] || die "$1 reports version '${found:-none}', $2 is pinned"
    echo "$1 $found"
}

for name in "$@"; do
    case "$name" in
    claude-code) install_claude_code && verify claude "$CLAUDE_CODE" ;;
    codex) install_codex && verify codex "$CODEX" ;;
    aider) install_aider && verify aider "$AIDER" ;;
    *) die "unknown program '$name': claude-code, codex and aider are known" ;;
    esac
done
