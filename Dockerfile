# syntax=docker/dockerfile:1.14@sha256:4c68376a702446fc3c79af22de146a148bc3367e73c25a5803d453b6b3f722fb
# The service and the commands, for linux/amd64 and linux/arm64:
#
#     docker buildx build --platform linux/amd64,linux/arm64 -t REGISTRY/refrain:VERSION --push .
#
# The build runs on the builder's own processor and compiles across; the last stage runs nothing, so that no emulator is
# needed. Every image has a digest. `scripts/pin-images` writes the current digests, and `scripts/pin-images --check`, a
# step of the gate, refuses an image or a download without one.
# Both images are Debian 13: the program needs the C library that it was built with or a newer one.
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-slim-trixie@sha256:e14e87345b4d5964ddcc3491d27ee046a0f23820f340c3c1e24da6880141f7c0
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian13:nonroot@sha256:e792ab3d241a468a4fd7519ddbbebe66b49b5f365771716ea688ad40b6c6f1c2

FROM --platform=$BUILDPLATFORM ${RUST_IMAGE} AS build
ARG BUILDARCH
ARG TARGETARCH
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]

# SQLite and the cryptography of rustls are C. Versions come with the base image's Debian release.
# hadolint ignore=DL3008
RUN <<END
case $TARGETARCH in
    amd64) triple=x86_64-unknown-linux-gnu gnu=x86_64-linux-gnu package=x86-64-linux-gnu ;;
    arm64) triple=aarch64-unknown-linux-gnu gnu=aarch64-linux-gnu package=aarch64-linux-gnu ;;
    *) echo "Dockerfile: no build for $TARGETARCH; use linux/amd64 or linux/arm64" >&2; exit 1 ;;
esac
if [[ $TARGETARCH != "$BUILDARCH" ]]; then
    apt-get update
    apt-get install -y --no-install-recommends "gcc-$package" "libc6-dev-$TARGETARCH-cross"
    rm -rf /var/lib/apt/lists/*
    rustup target add "$triple"
fi
variable=${triple//-/_}
cat > /etc/refrain-target <<VARIABLES
export CARGO_BUILD_TARGET=$triple
export CARGO_TARGET_${variable^^}_LINKER=$gnu-gcc
export CC_$variable=$gnu-gcc AR_$variable=$gnu-ar
VARIABLES
END

WORKDIR /src
COPY . .
# Without symbols the program has a third of the size. The registry and the compiled crates stay in the builder's cache, for
# each target.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,id=refrain-target-${TARGETARCH},sharing=locked <<END
source /etc/refrain-target
export CARGO_PROFILE_RELEASE_DEBUG=false CARGO_PROFILE_RELEASE_STRIP=symbols
cargo build --release --locked --package refrain --bin refrain --features aws
install -D -m 0755 "target/$CARGO_BUILD_TARGET/release/refrain" /out/usr/local/bin/refrain
# One program: by this name it takes the flags of identifyStream.
ln -s refrain /out/usr/local/bin/identifyStream
install -D -m 0644 -t /out/usr/share/doc/refrain LICENSE-MIT LICENSE-APACHE
# The root certificates of RDS. They are not among Mozilla's, which are built into the program.
install -D -m 0444 docker/rds-global-bundle.pem /out/etc/ssl/certs/rds-global-bundle.pem
mkdir /cache
END

# The C library, libgcc, certificates of public authorities, and a user 65532; no shell, no package manager.
FROM ${RUNTIME_IMAGE}
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Refrain" \
      org.opencontainers.image.description="Learns songs and finds them again in files and live streams" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

COPY --from=build /out/ /
# Index files and temporary files, the only folder that is written: all else may be read-only. Fargate gives a volume
# mounted here this owner, because it is named as a VOLUME.
COPY --from=build --chown=65532:65532 --chmod=0750 /cache /var/cache/refrain
VOLUME ["/var/cache/refrain"]

ENV REFRAIN_CACHE_DIR=/var/cache/refrain \
    REFRAIN_HTTP_LISTEN=0.0.0.0:8080 \
    TMPDIR=/var/cache/refrain
USER 65532:65532
EXPOSE 8080
# SIGTERM begins the drain, which takes up to service.drain_seconds: give it 30 s and more.
STOPSIGNAL SIGTERM
# Only `serve` listens; in containers of other commands there is nothing to ask: --no-healthcheck.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/usr/local/bin/refrain", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/refrain"]
CMD ["serve"]
