#!/usr/bin/env bash
# Prints the flag that labels a deploy with its task, and fails if the task is not valid:
#
#   gcloud run deploy gateway "$(deploy/ensure-vtid.sh gateway DEV-CICDL-0031 CICDL GATEWAY)" …
#
# deploy-watcher reads these labels. Cloud Run requires them in lowercase.
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: ensure-vtid.sh SERVICE VTID LAYER MODULE

  SERVICE  the Cloud Run service to deploy
  VTID     the task of the deploy, such as DEV-CICDL-0031 (PREFIX-LAYER-NUMBER) or VTID-0031
  LAYER    the task's layer, such as CICDL. If the VTID has a layer, LAYER must be the same layer
  MODULE   the service's module in the feed, such as GATEWAY

Prints the flag --labels=… for `gcloud run deploy`. If an argument is not valid, exits with code 1.
EOF
}

refuse() {
  printf 'error: %s\n' "$1" >&2
  exit 1
}

case "${1-}" in
  -h | --help)
    usage
    exit 0
    ;;
esac
if [ $# -ne 4 ]; then
  usage >&2
  exit 2
fi

export LC_ALL=C
service=$1
vtid=${2^^}
layer=${3^^}
module=${4^^}

[[ $service =~ ^[a-z]([-a-z0-9]{0,47}[a-z0-9])?$ ]] ||
  refuse "\"$service\" is not a Cloud Run service: expected lowercase letters, digits and dashes, at most 49"
if [[ $vtid =~ ^VTID-[0-9]{4,6}$ ]]; then
  vtid_layer=$layer
elif [[ $vtid =~ ^[A-Z]{2,8}-([A-Z][A-Z0-9]{1,15})-[0-9]{4,6}$ ]]; then
  vtid_layer=${BASH_REMATCH[1]}
else
  refuse "\"$2\" is not a VTID: expected one such as DEV-CICDL-0031 or VTID-0031"
fi
[[ $layer =~ ^[A-Z][A-Z0-9]{0,15}$ ]] ||
  refuse "\"$3\" is not a layer: expected 1 to 16 letters and digits, with a letter first"
[ "$layer" = "$vtid_layer" ] ||
  refuse "the layer is $layer, but $vtid has the layer $vtid_layer"
# The module becomes a label, and a label has at most 63 characters. A module in an event may have 64
# characters.
[[ $module =~ ^[A-Z][A-Z0-9]*(-[A-Z0-9]+)*$ && ${#module} -le 63 ]] ||
  refuse "\"$4\" is not a module: expected letters and digits, with single dashes between them, at most 63"

printf -- '--labels=vtid=%s,vt_layer=%s,vt_module=%s\n' "${vtid,,}" "${layer,,}" "${module,,}"
