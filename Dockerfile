# The compiler runs on the machine that builds, and makes the binary for the platform that is asked for.
FROM --platform=$BUILDPLATFORM golang:1.26.8 AS build
WORKDIR /src

# Modules are a layer of their own, so that a change of code doesn't download them again.
COPY go.mod go.sum ./
RUN go mod download

COPY api api
COPY controllers controllers
COPY cmd cmd
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
RUN CGO_ENABLED=0 GOOS=${TARGETOS:-linux} GOARCH=${TARGETARCH} go build -trimpath -ldflags="-s -w -X main.version=${VERSION}" -o manager ./cmd/manager

FROM gcr.io/distroless/static:nonroot
COPY --from=build /src/manager /manager
USER 65532:65532
ENTRYPOINT ["/manager"]
