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
  VTID     the task of the deploy, such as DEV-CICDL-0031, VTID-0031 or DEV-COMMU-0042.G
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

# The same patterns stand in crates/oasis-canon/src/labels.rs. A test compares them, and the results.
service_pattern='^[a-z]([-a-z0-9]{0,47}[a-z0-9])?$'
vtid_pattern='^[A-Z][A-Z0-9]{1,15}(-[A-Z0-9]{1,32}){1,5}(\.[A-Z0-9]{1,8})?$'
vtid_layer_pattern='^[A-Z][A-Z0-9]{1,15}-([A-Z][A-Z0-9]{0,15})-'
layer_pattern='^[A-Z][A-Z0-9]{0,15}$'
module_pattern='^[A-Z][A-Z0-9]*(-[A-Z0-9]+)*$'
longest_label=63

[[ $service =~ $service_pattern ]] ||
  refuse "\"$service\" is not a Cloud Run service: expected lowercase letters, digits and dashes, at most 49"
[[ $vtid =~ $vtid_pattern ]] ||
  refuse "\"$2\" is not a VTID: expected words of letters and digits joined by dashes, such as DEV-CICDL-0031"
[[ $layer =~ $layer_pattern ]] ||
  refuse "\"$3\" is not a layer: expected 1 to 16 letters and digits, with a letter first"
if [[ $vtid =~ $vtid_layer_pattern ]] && [ "$layer" != "${BASH_REMATCH[1]}" ]; then
  refuse "the layer is $layer, but $vtid has the layer ${BASH_REMATCH[1]}"
fi
[[ $module =~ $module_pattern ]] ||
  refuse "\"$4\" is not a module: expected letters and digits, with single dashes between them"
for value in "$vtid" "$module"; do
  [ ${#value} -le $longest_label ] ||
    refuse "$value is too long: a label has at most $longest_label characters"
done

# A label cannot contain a dot, so _ stands for the dot of a subtask.
vtid=${vtid//./_}
printf -- '--labels=vtid=%s,vt_layer=%s,vt_module=%s\n' "${vtid,,}" "${layer,,}" "${module,,}"
