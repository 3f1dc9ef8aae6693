#!/usr/bin/env bash
# Prints the path of a nats-server that Troupe can work with; all chatter goes to stderr.
# In this order: $NATS_SERVER, PATH, our cache, the Debian package (from the mirror this machine already uses, without
# root and without touching the system), the GitHub release (checksum verified).
set -euo pipefail
MIN=2.15.1 # fixes a compaction race, and acknowledges after the sync with `sync_interval: always`
RELEASE=${NATS_SERVER_VERSION:-2.15.1}
SUITES=(forky sid) # Debian suites that carry MIN
CACHE=${NATS_CACHE_DIR:-$(cd "$(dirname "$0")/.." && pwd)/node_modules/.cache/nats-server}

log() { echo "get-nats-server: $*" >&2; }

version() { "$1" --version 2>/dev/null | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n1 || true; }

good() { # $1: is it a nats-server that runs here, of version MIN or later?
  local found
  [ -x "$1" ] && found=$(version "$1") && [ -n "$found" ] &&
    [ "$(printf '%s\n%s\n' "$MIN" "$found" | sort -V | head -n1)" = "$MIN" ]
}

if [ -n "${NATS_SERVER:-}" ]; then # an explicit choice is only checked, never replaced
  good "$NATS_SERVER" || { log "NATS_SERVER=$NATS_SERVER is not a nats-server >= $MIN that runs here"; exit 1; }
  echo "$NATS_SERVER"
  exit 0
fi
if path=$(command -v nats-server) && good "$path"; then echo "$path"; exit 0; fi
if good "$CACHE/nats-server"; then echo "$CACHE/nats-server"; exit 0; fi

mkdir -p "$CACHE"
TEMP=$(mktemp -d "${TMPDIR:-/tmp}/get-nats-server.XXXXXX")
trap 'rm -rf "$TEMP"' EXIT

from_suite() { # $1: a Debian mirror's URI, $2: suite; apt verifies the signatures
  mkdir -p "$TEMP/lists/partial" "$TEMP/cache/archives/partial" "$TEMP/parts"
  local key=/usr/share/keyrings/debian-archive-keyring.gpg
  if [ -r "$key" ]; then key="[signed-by=$key]"; else key=""; fi # without it apt has its own trusted keys
  echo "deb $key $1 $2 main" >"$TEMP/parts/nats.list"
  local options=(-qq -o Dir::State::Lists="$TEMP/lists" -o Dir::Cache="$TEMP/cache" -o Dir::Etc::SourceList=/dev/null
    -o Dir::Etc::SourceParts="$TEMP/parts" -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
    -o Acquire::Languages=none -o Acquire::AllowInsecureRepositories=false -o APT::Get::AllowUnauthenticated=false
    -o APT::Update::Error-Mode=any -o APT::Sandbox::User="$(id -un)")
  log "trying Debian $2"
  apt-get "${options[@]}" update >&2 || return 1
  (cd "$TEMP" && apt-get "${options[@]}" download nats-server >&2) || return 1
  dpkg -x "$TEMP"/nats-server_*.deb "$TEMP/x" && mv "$TEMP/x/usr/sbin/nats-server" "$TEMP/nats-server"
}

from_debian() { # apt itself says which mirrors are configured: its files come in two formats
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
  local codename mirror suite
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  # --no-release-info: else it lists nothing where `apt-get update` has never run, as in fresh images
  for mirror in $(apt-get --no-release-info indextargets --format '$(COMPONENT) $(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    awk -v codename="$codename" '$1 == "main" && $2 == codename && !seen[$3]++ { print $3 }'); do
    for suite in "${SUITES[@]}"; do from_suite "$mirror" "$suite" && return 0; done
  done
  return 1
}

verify() { # checksum lines on stdin
  if command -v sha256sum >/dev/null; then sha256sum -c - >&2; else shasum -a 256 -c - >&2; fi
}

from_github() {
  local os arch name url
  os=$(uname -s | tr '[:upper:]' '[:lower:]')
  arch=$(uname -m)
  case $arch in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; esac
  name=nats-server-v$RELEASE-$os-$arch
  url=https://github.com/nats-io/nats-server/releases/download/v$RELEASE
  log "trying the GitHub release $name"
  (cd "$TEMP" && curl -fsSL --retry 2 --connect-timeout 10 -O "$url/$name.tar.gz" -O "$url/SHA256SUMS" &&
    grep " $name.tar.gz\$" SHA256SUMS | verify && tar xzf "$name.tar.gz" && mv "$name/nats-server" .) || return 1
}

from_debian || from_github || {
  log "found none; install nats-server >= $MIN (https://nats.io/download) or name one in NATS_SERVER"
  exit 1
}
good "$TEMP/nats-server" || { log "what was fetched does not run here, or is older than $MIN"; exit 1; }
mv "$TEMP/nats-server" "$CACHE/.new.$$" && mv "$CACHE/.new.$$" "$CACHE/nats-server" # atomic: others may look meanwhile
echo "$CACHE/nats-server"
