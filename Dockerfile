# The image of svix-operator, for linux/amd64 and linux/arm64:
#
#     docker buildx build --platform linux/amd64,linux/arm64 --build-arg COMMIT="$(git rev-parse HEAD)" \
#         --tag registry.example.org/svix-operator:0.1.0 --push .
#
# The program comes from the same sources, dependencies and profile as that of `cargo build --release --locked`. Its bytes
# differ: paths of the machine that builds are in it, and the compiler is that of RUST_VERSION.

ARG RUST_VERSION=1.95

# On the architecture of the machine that builds, for that of the image: emulating a compiler would take hours.
FROM --platform=$BUILDPLATFORM docker.io/library/rust:${RUST_VERSION}-slim-trixie AS build
ARG BUILDARCH
ARG TARGETARCH
WORKDIR /src

# The TLS library is in C and assembler; its build script needs a compiler, and no cmake for these targets. For the
# architecture of the machine that builds, the base image has one.
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

# The dependencies alone, with a program of nothing: this layer is made again only when Cargo.toml or Cargo.lock
# changes. The files of tests and benches need not be there: Cargo looks for them when it builds them.
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
# Touched, since the files of a checkout are older than the program of nothing.
RUN . ./target.env && \
    touch build.rs src/main.rs src/lib.rs && \
    SVIX_OPERATOR_COMMIT="$COMMIT" cargo build --release --locked && \
    cp "target/$CARGO_BUILD_TARGET/release/svix-operator" .

# glibc, the system's certificates, and a user without a name: no shell, no package manager.
FROM gcr.io/distroless/cc-debian13:nonroot
ARG COMMIT=
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="svix-operator" \
      org.opencontainers.image.description="Keeps Svix in step with WebhookEventType and WebhookEndpoint resources in Kubernetes" \
      org.opencontainers.image.source="https://github.com/svix-operator/svix-operator" \
      org.opencontainers.image.documentation="https://github.com/svix-operator/svix-operator/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
COPY --from=build /src/svix-operator /svix-operator
# As a number, so that Kubernetes can see that it is not root.
USER 65532:65532
# Admission, the operator's health and metrics, the webhook's.
EXPOSE 9443 8080 8081
ENTRYPOINT ["/svix-operator"]
CMD ["run"]
