#!/bin/sh
# Makes `key.gpg` and `InRelease`: a key that is nobody's, and a text signed with it as Debian signs its own. The private key is thrown away.
set -eu
folder=$(cd "$(dirname "$0")" && pwd)
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export GNUPGHOME="$home"
# Long ago, so that no clock is behind it.
past='--faked-system-time=20200101T000000'
gpg --quiet --batch "$past" --passphrase '' --quick-gen-key 'Nobody (for tests) <nobody@example.org>' ed25519 sign never
gpg --export >"$folder/key.gpg"
printf 'Suite: test\nSHA256:\n signed 1 main/a\n' | gpg --batch "$past" --clearsign >"$folder/InRelease"
