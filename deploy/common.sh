# The common part of the scripts in this folder. A script sets $project and then sources this file.
# shellcheck shell=bash disable=SC2154

if [[ ! $project =~ ^[a-z][-a-z0-9]*[a-z0-9]$ ]]; then
  printf 'error: "%s" is not the id of a project: expected one such as my-project-123\n' "$project" >&2
  exit 2
fi
if ! command -v gcloud >/dev/null; then
  printf 'error: gcloud is not installed, or not on PATH\n' >&2
  exit 1
fi
# The scripts sometimes capture the output of gcloud, so a prompt would not be visible.
export CLOUDSDK_CORE_DISABLE_PROMPTS=1

# exists COMMAND…: succeeds if the "describe" command finds its resource. Any error except "not found" ends
# the script, because a resource that could not be read must not count as missing.
exists() {
  local output
  if output=$("$@" 2>&1 </dev/null); then return 0; fi
  case $output in
    *NOT_FOUND*) return 1 ;;
  esac
  printf 'error: %s:\n%s\n' "$*" "$output" >&2
  exit 1
}

# has_secret SECRET: succeeds if the secret exists and has a version. An interrupted run can leave a secret
# without a version.
has_secret() { exists gcloud secrets versions describe latest --secret "$1" --project "$project"; }
