# Sourced by the scripts beside it, which set $project.
# shellcheck shell=bash disable=SC2154

# Whether a secret is there. Any other answer than "not found" ends the script: a secret that only could not be looked
# at must not be left out, or made anew.
has_secret() {
  local said
  if said=$(gcloud secrets describe "$1" --project "$project" 2>&1); then return 0; fi
  case $said in
    *NOT_FOUND*) return 1 ;;
  esac
  printf 'error: the secret %s: %s\n' "$1" "$said" >&2
  exit 1
}
