# The image of svix-operator, for linux/amd64 and linux/arm64:
#
#     docker buildx build --platform linux/amd64,linux/arm64 --build-arg COMMIT="$(git rev-parse HEAD)" \
#         --tag registry.example.org/svix-operator:0.1.0 --push .
#
# The program is built from the same sources, dependencies and profile as with `cargo build --release --locked`. The two
# files are not identical: the program contains paths of the build machine, and RUST_VERSION specifies the compiler.

ARG RUST_VERSION=1.95

# Runs on the architecture of the build machine and compiles for that of the image: an emulated compiler would take hours.
FROM --platform=$BUILDPLATFORM docker.io/library/rust:${RUST_VERSION}-slim-trixie AS build
ARG BUILDARCH
ARG TARGETARCH
WORKDIR /src

# The TLS library is written in C and assembler; its build script needs a C compiler, and no cmake for these targets. The
# base image has a compiler for the architecture of the build machine.
RUN set -eu; \
    case "$TARGETARCH" in \
        amd64) machine=x86_64 ;; \
        arm64) machine=aarch64 ;; \
        *) echo "no image for '$TARGETARCH': expected amd64 or arm64" >&2; exit 1 ;; \
    esac; \
    target=$machine-unknown-linux-gnu; \
    gcc=$machine-linux-gnu-gcc; \
    if [ "$TARGETARCH" != "$BUILDARCH" ]; then \
        apt-get update; \
        apt-get install --yes --no-install-recommends \
            "gcc-$(echo "$machine" | tr _ -)-linux-gnu" "libc6-dev-$TARGETARCH-cross"; \
        rustup target add "$target"; \
    fi; \
    { \
        echo "export CARGO_BUILD_TARGET=$target"; \
        echo "export CARGO_TARGET_$(echo "$target" | tr a-z- A-Z_)_LINKER=$gcc"; \
        echo "export CC_$(echo "$target" | tr - _)=$gcc"; \
    } >target.env

# Builds only the dependencies, with an empty program: this layer is built again only if Cargo.toml or Cargo.lock changes.
# The files of tests and benches are not required, because Cargo reads them only when it builds them.
COPY Cargo.toml Cargo.lock ./
RUN . ./target.env && \
    mkdir src && \
    echo 'fn main() {}' | tee src/main.rs >build.rs && \
    touch src/lib.rs && \
    cargo build --release --locked && \
    rm -r src build.rs

COPY build.rs ./
COPY src src
ARG COMMIT=
# `touch`, because the files of a checkout are older than the empty program.
RUN . ./target.env && \
    touch build.rs src/main.rs src/lib.rs && \
    SVIX_OPERATOR_COMMIT="$COMMIT" cargo build --release --locked && \
    cp "target/$CARGO_BUILD_TARGET/release/svix-operator" .

# Contains glibc, the system's certificates, and an unprivileged user; no shell, no package manager.
FROM gcr.io/distroless/cc-debian13:nonroot
ARG COMMIT=
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="svix-operator" \
      org.opencontainers.image.description="Synchronises WebhookEventType and WebhookEndpoint resources in Kubernetes with Svix" \
      org.opencontainers.image.source="https://github.com/svix-operator/svix-operator" \
      org.opencontainers.image.documentation="https://github.com/svix-operator/svix-operator/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
COPY --from=build /src/svix-operator /svix-operator
# glibc otherwise keeps a heap for each thread, and large blocks in it once one was returned: under hostile input up to 60 MiB
# more, which the limits of the chart do not have.
ENV MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072
# A number, so that Kubernetes can verify that it is not root.
USER 65532:65532
# Admission, health and metrics of the operator, health and metrics of the webhook.
EXPOSE 9443 8080 8081
ENTRYPOINT ["/svix-operator"]
CMD ["run"]
