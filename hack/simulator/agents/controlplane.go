// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"github.com/coder/websocket"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/fabric"
)

// ControlPlane serves ACS and TCS.
type ControlPlane struct {
	o        ControlPlaneOptions
	timing   *timing
	backends map[Kind]fabric.Backend
	servers  []*http.Server
	// ctx ends with Close; every session ends with it.
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	// telling is held while OnSession is called, so that its calls are in order.
	telling sync.Mutex
	mu      sync.Mutex
	// sessions has an entry only where there is a session.
	sessions map[client]map[*serverSession]struct{}
}

// client is whose sessions are counted together.
type client struct {
	kind                 Kind
	containerInstanceARN string
}

// listenFunc opens a listener and says how the fabric reaches it.
type listenFunc func(ctx context.Context) (net.Listener, fabric.Backend, error)

func listenOnLoopback(ctx context.Context) (net.Listener, fabric.Backend, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	return l, fabric.TCP(l.Addr()), nil
}

// StartControlPlane listens on loopback, for each service once, until ctx ends or Close is called.
func StartControlPlane(ctx context.Context, o ControlPlaneOptions) (*ControlPlane, error) {
	if o.listen == nil {
		o.listen = listenOnLoopback
	}
	c := &ControlPlane{
		o:        o,
		timing:   newTiming(o.Scale, o.Seed),
		backends: map[Kind]fabric.Backend{},
		sessions: map[client]map[*serverSession]struct{}{},
	}
	c.ctx, c.cancel = context.WithCancel(ctx)
	for _, k := range kinds {
		if err := c.start(k); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

func (c *ControlPlane) start(k Kind) error {
	listener, backend, err := c.o.listen(c.ctx)
	if err != nil {
		return fmt.Errorf("listening for %s: %w", k, err)
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serve(k, w, r) }),
		// A session's own end of its close handshake needs the connection under it.
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, conn)
		},
		ReadHeaderTimeout: c.timing.scaled(dialTimeout),
	}
	c.backends[k] = backend
	c.servers = append(c.servers, server)
	c.wg.Go(func() { _ = server.Serve(listener) })
	context.AfterFunc(c.ctx, func() { _ = server.Close() })
	return nil
}

// Serve registers addresses of the fabric as those of a service. More can be added at any time.
func (c *ControlPlane) Serve(kind Kind, addrs ...netip.AddrPort) {
	for _, addr := range addrs {
		c.o.Fabric.Register(addr, c.backends[kind])
	}
}

// Connected reports whether any session of a kind of a container instance is up on the server's side.
func (c *ControlPlane) Connected(kind Kind, containerInstanceARN string) bool {
	return c.Sessions(kind, containerInstanceARN) > 0
}

// Sessions counts them: more than one means that the agent is back before its old connection was given up.
func (c *ControlPlane) Sessions(kind Kind, containerInstanceARN string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sessions[client{kind, containerInstanceARN}])
}

// Disconnect closes the sessions of a kind of a container instance with a WebSocket close code, as the service does several times
// an hour (1000, 1001) or when it fails (1011).
func (c *ControlPlane) Disconnect(kind Kind, containerInstanceARN string, code int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.sessions[client{kind, containerInstanceARN}] {
		s.wg.Go(func() {
			s.connection.close(c.timing, websocket.StatusCode(code), "ConnectionExpired: Reconnect to continue")
		})
	}
}

// Close ends all sessions and waits for them.
func (c *ControlPlane) Close() error {
	c.mu.Lock()
	c.cancel()
	c.mu.Unlock()
	c.wg.Wait()
	return nil
}

// enter counts a session in for Close to wait for, unless it is too late.
func (c *ControlPlane) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return false
	}
	c.wg.Add(1)
	return true
}

// count adds or takes away a session, and tells of a client's first and last.
func (c *ControlPlane) count(id client, s *serverSession, up bool) {
	c.telling.Lock()
	defer c.telling.Unlock()
	c.mu.Lock()
	before := len(c.sessions[id])
	if up {
		if before == 0 {
			c.sessions[id] = map[*serverSession]struct{}{}
		}
		c.sessions[id][s] = struct{}{}
	} else if delete(c.sessions[id], s); before == 1 {
		delete(c.sessions, id)
	}
	edge := up && before == 0 || !up && before == 1
	c.mu.Unlock()
	if edge && c.o.OnSession != nil {
		c.o.OnSession(id.kind, id.containerInstanceARN, up)
	}
}
