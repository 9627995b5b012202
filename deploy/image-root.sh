#!/usr/bin/env bash
# Puts together the root of an image without a distribution in it: what these programs are linked with,
# certificates to trust, a user without rights. The Dockerfile runs it where the programs were built.
#
#   image-root.sh ROOT PROGRAM…
set -euo pipefail
root=$1
shift

mkdir -p "$root"/{etc/ssl/certs,tmp}
chmod 1777 "$root/tmp"
# Where each is looked for: the loader by its own path, the others in their folders or in /usr/lib.
ldd "$@" | grep -oE '/[^ ]+\.so[^ ]*' | sort -u | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf 'root:x:0:0::/:/\nnonroot:x:65532:65532::/:/\n' >"$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
