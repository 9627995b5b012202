#!/usr/bin/env bash
# Refuses a deploy that names no valid task, and prints the flag that labels it:
#
#   gcloud run deploy gateway "$(deploy/ensure-vtid.sh gateway DEV-CICDL-0031 CICDL GATEWAY)" …
#
# deploy-watcher reads these labels; Cloud Run demands them in small letters.
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: ensure-vtid.sh SERVICE VTID LAYER MODULE

  SERVICE  the Cloud Run service that is deployed
  VTID     its task: PREFIX-LAYER-NUMBER, such as DEV-CICDL-0031, or VTID-NUMBER, such as VTID-0031
  LAYER    the task's layer, such as CICDL; it must be the one in the VTID, if that has one
  MODULE   what the feed shows the service as, such as GATEWAY

Prints the flag --labels=… for `gcloud run deploy`. Ends with 1, and says why, when one of them is not valid.
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
  refuse "\"$service\" is not a Cloud Run service: expected small letters, digits and dashes, at most 49"
if [[ $vtid =~ ^VTID-[0-9]{4,6}$ ]]; then
  of_vtid=$layer
elif [[ $vtid =~ ^[A-Z]{2,8}-([A-Z][A-Z0-9]{1,15})-[0-9]{4,6}$ ]]; then
  of_vtid=${BASH_REMATCH[1]}
else
  refuse "\"$2\" is not a VTID: expected one such as DEV-CICDL-0031 or VTID-0031"
fi
[[ $layer =~ ^[A-Z][A-Z0-9]{0,15}$ ]] ||
  refuse "\"$3\" is not a layer: expected a letter, then letters and digits, at most 16"
[ "$layer" = "$of_vtid" ] ||
  refuse "the layer is $layer, but $vtid is of layer $of_vtid"
# A label has at most 63 characters, one less than a module.
[[ $module =~ ^[A-Z][A-Z0-9]*(-[A-Z0-9]+)*$ && ${#module} -le 63 ]] ||
  refuse "\"$4\" is not a module: expected letters and digits, with single dashes between them, at most 63"

printf -- '--labels=vtid=%s,vt_layer=%s,vt_module=%s\n' "${vtid,,}" "${layer,,}" "${module,,}"
