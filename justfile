# `just` lists these recipes. Install just from https://just.systems, or use the plain commands in
# CONTRIBUTING.md.

_default:
    @just --list

# The fast check after a change to one crate: `just check gateway-feed`
check crate:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    cargo test --package {{crate}} --lib --bins --locked
    cargo test --package oasis-tidy --locked

# All tests of one crate, with PostgreSQL and sockets
test crate:
    cargo test --package {{crate}} --locked

# Everything that CI runs
ci:
    .ci/run

# The local stack, with the events of a made-up team
demo:
    cargo oasis up --demo
