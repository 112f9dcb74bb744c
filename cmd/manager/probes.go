// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/healthz"
)

// probes answer /healthz and /readyz from the start of the process on, since the manager's own server comes only with the API
// server: the kubelet must not restart a process that waits for it.
type probes struct {
	ready  atomic.Bool
	server *http.Server
}

// errNotReady is what /readyz says until the objects of the API server were read once.
var errNotReady = errors.New("the objects of the API server are not read yet")

// serveProbes listens at an address; 0: nowhere.
func serveProbes(ctx context.Context, address string) (*probes, error) {
	p := &probes{}
	if address == "0" {
		return p, nil
	}

	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--health-probe-bind-address: %w", err)
	}

	mux := http.NewServeMux()
	mux.Handle("/healthz", healthz.CheckHandler{Checker: healthz.Ping})
	mux.Handle("/readyz", healthz.CheckHandler{Checker: func(*http.Request) error {
		if p.ready.Load() {
			return nil
		}
		return errNotReady
	}})
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = p.server.Serve(listener) }() // it ends with close
	return p, nil
}

func (p *probes) close() {
	if p.server != nil {
		_ = p.server.Close() // nothing is lost with a probe
	}
}
