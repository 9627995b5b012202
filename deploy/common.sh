# Sourced by the scripts beside it, once $project is set.
# shellcheck shell=bash disable=SC2154

if [[ ! $project =~ ^[a-z][-a-z0-9]*[a-z0-9]$ ]]; then
  printf 'error: "%s" is not the id of a project: expected one such as my-project-123\n' "$project" >&2
  exit 2
fi
if ! command -v gcloud >/dev/null; then
  printf 'error: gcloud is not installed, or not on PATH\n' >&2
  exit 1
fi
# What gcloud says is read here at times, so a question of its would be seen by nobody.
export CLOUDSDK_CORE_DISABLE_PROMPTS=1

# Whether there is what a command describes. Any other answer than "not found" ends the script: what only
# could not be looked at must not be left out, or made anew.
there() {
  local said
  if said=$("$@" 2>&1 </dev/null); then return 0; fi
  case $said in
    *NOT_FOUND*) return 1 ;;
  esac
  printf 'error: %s:\n%s\n' "$*" "$said" >&2
  exit 1
}

# Whether a secret is there, with a version: one without is what is left of a script that was stopped.
has_secret() { there gcloud secrets versions describe latest --secret "$1" --project "$project"; }
