#!/usr/bin/env bash
# Makes the root folder of an image that has no Linux distribution. The folder has the libraries of the
# programs, the trusted certificates and a user without rights. The Dockerfile runs this script in its build
# stage.
#
#   image-root.sh ROOT PROGRAM…
set -euo pipefail
root=$1
shift

mkdir -p "$root"/{etc/ssl/certs,tmp}
chmod 1777 "$root/tmp"
# ldd prints the paths at which the programs look up the loader and their libraries. The image needs the same
# paths.
ldd "$@" | grep -oE '/[^ ]+\.so[^ ]*' | sort -u | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf 'root:x:0:0::/:/\nnonroot:x:65532:65532::/:/\n' >"$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
