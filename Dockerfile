# The image of svix-operator, for linux/amd64 and linux/arm64:
#
#     docker buildx build --platform linux/amd64,linux/arm64 --build-arg COMMIT="$(git rev-parse HEAD)" \
#         --tag registry.example.org/svix-operator:0.1.0 --push .
#
# The program is that of `cargo build --release --locked`.

ARG RUST_VERSION=1.95

# On the architecture of the machine that builds, for that of the image: emulating a compiler would take hours.
FROM --platform=$BUILDPLATFORM docker.io/library/rust:${RUST_VERSION}-slim-bookworm AS build
ARG BUILDARCH
ARG TARGETARCH
WORKDIR /src

# A compiler of C and a linker for the target, since the TLS library is in C and assembler.
RUN case "$TARGETARCH" in \
        amd64) target=x86_64-unknown-linux-gnu prefix=x86_64-linux-gnu package=x86-64-linux-gnu ;; \
        arm64) target=aarch64-unknown-linux-gnu prefix=aarch64-linux-gnu package=aarch64-linux-gnu ;; \
        *) echo "no image for $TARGETARCH: expected amd64 or arm64" >&2; exit 1 ;; \
    esac; \
    apt-get update && apt-get install --yes --no-install-recommends cmake make gcc libc6-dev && \
    if [ "$TARGETARCH" != "$BUILDARCH" ]; then \
        apt-get install --yes --no-install-recommends "gcc-$package" "libc6-dev-$TARGETARCH-cross"; \
    fi && \
    rm -rf /var/lib/apt/lists/* && \
    rustup target add "$target" && \
    upper=$(echo "$target" | tr a-z- A-Z_) && \
    { \
        echo "export CARGO_BUILD_TARGET=$target"; \
        echo "export CARGO_TARGET_${upper}_LINKER=$prefix-gcc"; \
        echo "export CC_$(echo "$target" | tr - _)=$prefix-gcc"; \
    } >/target.env

# The dependencies alone, with a program of nothing: this layer is made again only when Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
RUN . /target.env && \
    mkdir -p src tests/it benches/bench && \
    echo 'fn main() {}' | tee src/main.rs tests/it/main.rs benches/bench/main.rs >build.rs && \
    touch src/lib.rs && \
    cargo build --release --locked && \
    rm -rf src tests benches build.rs

COPY build.rs ./
COPY src src
# Named by Cargo.toml, and never built here.
RUN mkdir -p tests/it benches/bench && touch tests/it/main.rs benches/bench/main.rs
ARG COMMIT=
# Touched, since the files of a checkout are older than the program of nothing.
RUN . /target.env && \
    touch build.rs src/main.rs src/lib.rs && \
    SVIX_OPERATOR_COMMIT="$COMMIT" cargo build --release --locked && \
    cp "target/$CARGO_BUILD_TARGET/release/svix-operator" /svix-operator

# glibc, the system's certificates, and a user without a name: no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG COMMIT=
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="svix-operator" \
      org.opencontainers.image.description="Keeps Svix in step with WebhookEventType and WebhookEndpoint resources in Kubernetes" \
      org.opencontainers.image.source="https://github.com/svix-operator/svix-operator" \
      org.opencontainers.image.documentation="https://github.com/svix-operator/svix-operator/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
COPY --from=build /svix-operator /svix-operator
# As a number, so that Kubernetes can see that it is not root.
USER 65532:65532
# Admission, the operator's health and metrics, the webhook's.
EXPOSE 9443 8080 8081
ENTRYPOINT ["/svix-operator"]
CMD ["run"]
