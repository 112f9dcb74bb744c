# Both bases are pinned by the digest of their index, which has all platforms. Dependabot updates tag and digest.
# The compiler runs on the machine that builds, and makes the binary for the platform that is asked for.
FROM --platform=$BUILDPLATFORM golang:1.26.8@sha256:3c3e25a4da13fd0478eed2df1eb35a0e667094a7124d3993a6a1d30f71c17e79 AS build
WORKDIR /src

# Modules and compiled packages stay in the builder's caches, so that a new version alone links once more.
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download

COPY api api
COPY controllers controllers
COPY cmd cmd
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
ARG DOCS
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=${TARGETOS:-linux} GOARCH=${TARGETARCH} go build -trimpath -ldflags="-s -w -X main.version=${VERSION} -X agentdisconnect.dev/agentdisconnect/controllers/pages.Base=${DOCS}" -o manager ./cmd/manager

FROM gcr.io/distroless/static:nonroot@sha256:e2e927ec666bae08560abb3c55d0659eceabb657f56b6782ab500a9fc7f555e3
ARG VERSION=dev
ARG REVISION=unknown
ARG SOURCE=https://agentdisconnect.dev/agentdisconnect
LABEL org.opencontainers.image.title="agentdisconnect" \
      org.opencontainers.image.description="Cuts ECS agents off through network ACLs, for chaos tests of RunTask callers" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /src/manager /manager
USER 65532:65532
ENTRYPOINT ["/manager"]
