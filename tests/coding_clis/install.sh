#!/bin/sh
# Installs the coding CLIs that the adapters are tested with, pinned, into a directory:
#
#   install.sh DIRECTORY [claude-code] [codex] [aider] [opencode] [qwen] [copilot] [gemini]   (all without names)
#
#   DIRECTORY/bin/claude          native program of Claude Code
#   DIRECTORY/bin/codex           native program of Codex
#   DIRECTORY/bin/aider           aider; its first line names the Python it lives in
#   DIRECTORY/bin/opencode        native program of opencode
#   DIRECTORY/bin/qwen            starts Qwen Code with the Node that is installed beside
#   DIRECTORY/bin/copilot         native program of the Copilot CLI
#   DIRECTORY/bin/gemini          starts Gemini CLI with the same Node
#
# Run again it changes nothing that already has the right version. It ends with a status other than
# 0 if a program does not report the version that is pinned here. npm, pip and python3 are needed;
# they use whatever mirror, proxy and certificates they are configured with.
set -eu

CLAUDE_CODE=2.1.330
CODEX=0.169.0
AIDER=0.86.2
OPENCODE=1.18.33
QWEN=0.24.4
NODE=22.23.3
COPILOT=1.0.102
GEMINI=0.61.0

die() {
    echo "install.sh: $*" >&2
    exit 1
}

[ $# -ge 1 ] || die "usage: install.sh DIRECTORY [NAME…]"
mkdir -p "$1"
directory=$(cd "$1" && pwd)
shift
[ $# -ge 1 ] || set -- claude-code codex aider opencode qwen copilot gemini
mkdir -p "$directory/bin"

# The version that a program reports, or nothing.
version_of() {
    [ -x "$1" ] || return 0
    GEMINI_CLI_NO_RELAUNCH=true "$1" --version 2>/dev/null | grep -Eo '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1
}

# npm_install FOLDER PACKAGE…: --force, because npm otherwise silently takes an older release whose `engines`
# fit the Node at hand; the programs are native and need no Node at all, or get one.
npm_install() {
    folder=$1
    shift
    npm install --prefix "$directory/$folder" --force --no-audit --no-fund --no-save --loglevel=error \
        --fetch-retries=5 --fetch-retry-maxtimeout=60000 "$@"
}

# The biggest executable below a directory: these packages hold one native program.
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

install_opencode() {
    [ "$(version_of "$directory/bin/opencode")" = "$OPENCODE" ] && return 0
    npm_install opencode "opencode-ai@$OPENCODE"
    program=$(native opencode/node_modules/opencode-ai 'opencode*')
    [ -n "$program" ] || die "the package of opencode holds no native program for this platform"
    ln -sfn "$program" "$directory/bin/opencode"
}

# with_node NAME SCRIPT: bin/NAME starts it with a Node that is new enough.
with_node() {
    node=$directory/node/node_modules/node/bin/node
    [ "$(version_of "$node")" = "$NODE" ] || npm_install node "node@$NODE"
    cat >"$directory/bin/$1" <<END
#!/bin/sh
exec "$node" "$directory/$2" "\$@"
END
    chmod +x "$directory/bin/$1"
}

install_qwen() {
    [ "$(version_of "$directory/bin/qwen")" = "$QWEN" ] && return 0
    npm_install qwen "@qwen-code/qwen-code@$QWEN"
    with_node qwen qwen/node_modules/@qwen-code/qwen-code/cli-entry.js
}

install_gemini() {
    [ "$(version_of "$directory/bin/gemini")" = "$GEMINI" ] && return 0
    # What is optional is built from source where no binary fits; it does without.
    npm_install gemini --omit=optional "@google/gemini-cli@$GEMINI"
    with_node gemini gemini/node_modules/@google/gemini-cli/bundle/gemini.js
}

install_copilot() {
    [ "$(version_of "$directory/bin/copilot")" = "$COPILOT" ] && return 0
    npm_install copilot "@github/copilot@$COPILOT"
    program=$(native copilot 'copilot')
    [ -n "$program" ] || die "the package of the Copilot CLI holds no native program for this platform"
    ln -sfn "$program" "$directory/bin/copilot"
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
    opencode) install_opencode && verify opencode "$OPENCODE" ;;
    qwen) install_qwen && verify qwen "$QWEN" ;;
    copilot) install_copilot && verify copilot "$COPILOT" ;;
    gemini) install_gemini && verify gemini "$GEMINI" ;;
    *) die "unknown program '$name': claude-code, codex, aider, opencode, qwen, copilot and gemini are known" ;;
    esac
done
