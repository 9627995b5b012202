# Builds an image for each program, for example with `docker build --target gateway-feed .`. PROGRAMS in the stage
# `build` lists the targets.
# The dependencies are built in a separate layer, which is rebuilt only if a Cargo.toml or Cargo.lock changes.

# The digest is that of the index of all platforms, so a rebuilt tag can't change the build. To update it, run
# `docker buildx imagetools inspect rust:VERSION-bookworm`. VERSION is the one in rust-toolchain.toml.
FROM rust:1.95-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS toolchain
WORKDIR /src
ENV CARGO_TERM_COLOR=never
RUN cargo install --locked cargo-chef@0.1.78

FROM toolchain AS recipe
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM toolchain AS build
ENV PROGRAMS="deploy-watcher gateway-feed heartbeat-agent webhook-ingest oasis"
COPY --from=recipe /src/recipe.json .
RUN cargo chef cook --release --recipe-path recipe.json $(printf ' --package %s' $PROGRAMS)
COPY . .
RUN cargo build --release --locked $(printf ' --package %s' $PROGRAMS)
RUN cd target/release && /src/deploy/image-root.sh /image $PROGRAMS

# The base of all images: the C library, certificates and a user without rights. It has no shell.
FROM scratch AS runtime
COPY --from=build /image/ /
COPY LICENSE-MIT LICENSE-APACHE /licenses/
LABEL org.opencontainers.image.licenses="MIT OR Apache-2.0"
USER 65532:65532
ENV HOST=::

FROM runtime AS gateway-feed
COPY --from=build /src/target/release/gateway-feed /gateway-feed
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=7s --start-period=10s CMD ["/gateway-feed", "--healthcheck"]
ENTRYPOINT ["/gateway-feed"]

FROM runtime AS webhook-ingest
COPY --from=build /src/target/release/webhook-ingest /webhook-ingest
EXPOSE 8081
HEALTHCHECK --interval=10s --timeout=7s --start-period=10s CMD ["/webhook-ingest", "--healthcheck"]
ENTRYPOINT ["/webhook-ingest"]

FROM runtime AS deploy-watcher
COPY --from=build /src/target/release/deploy-watcher /deploy-watcher
EXPOSE 8082
HEALTHCHECK --interval=10s --timeout=7s --start-period=10s CMD ["/deploy-watcher", "--healthcheck"]
ENTRYPOINT ["/deploy-watcher"]

# Copy this program into an agent's own image; see docs/agents.md.
FROM runtime AS heartbeat-agent
COPY --from=build /src/target/release/heartbeat-agent /heartbeat-agent
ENTRYPOINT ["/heartbeat-agent"]

# For `oasis migrate` and `oasis prune`.
FROM runtime AS oasis
COPY --from=build /src/target/release/oasis /oasis
ENTRYPOINT ["/oasis"]
