// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	"k8s.io/utils/clock"
)

// DefaultTTL is the TTL of answers where Options has none.
const DefaultTTL = 60 * time.Second

// Zone says which addresses a host has. It is asked from several goroutines at once.
type Zone interface {
	// Lookup gives all addresses of host, which is in lower case and without a final dot. None means that the
	// host does not exist.
	Lookup(host string) []netip.Addr
}

// WholeZone is a Zone with hosts whose addresses all come in one answer.
type WholeZone interface {
	Zone
	// Whole reports whether host, named as for Lookup, is such a host now.
	Whole(host string) bool
}

// Options of a Server. Only Zone is required.
type Options struct {
	Zone Zone
	// Addr is where to listen, "127.0.0.1:0" when empty: a free port.
	Addr string
	// TTL of the answers, DefaultTTL when zero. DNS has whole seconds.
	TTL time.Duration
	// HoldTTL makes the server give an answer again until its TTL is over, as a caching resolver does.
	HoldTTL bool
	// Clock measures the time that an answer is held, the real one when nil.
	Clock clock.PassiveClock
}

// Server answers DNS queries until it is closed.
type Server struct {
	addr     string
	answerer *answerer

	mu      sync.Mutex
	stop    func() bool
	servers []*dns.Server // of all views, for UDP and TCP
	closed  bool
	wg      sync.WaitGroup
}

// Start listens and answers until ctx ends or Close is called.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Zone == nil {
		return nil, errors.New("a DNS server needs a zone")
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	s := &Server{answerer: newAnswerer(o)}
	var err error
	if s.addr, err = s.serve(ctx, o.Addr, o.Zone); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.stop = context.AfterFunc(ctx, func() { _ = s.Close() })
	s.mu.Unlock()
	return s, nil
}

// AddView makes the server answer on a further free port of loopback from another zone, as the resolver of another network
// does, and returns the address. Its addresses take turns of their own; SetFailing holds for all views.
func (s *Server) AddView(ctx context.Context, zone Zone) (addr string, err error) {
	return s.serve(ctx, "127.0.0.1:0", zone)
}

func (s *Server) serve(ctx context.Context, addr string, zone Zone) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", net.ErrClosed
	}
	packets, streams, err := listen(ctx, addr)
	if err != nil {
		return "", err
	}
	v := s.answerer.view(zone)
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: v}, {Listener: streams, Handler: v}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		s.wg.Go(func() { _ = server.ActivateAndServe() })
		// A server that has not started yet can't be shut down.
		<-started
		s.servers = append(s.servers, server)
	}
	return streams.Addr().String(), nil
}

// Addr is the address of the server, the same for UDP and TCP, as "127.0.0.1:5353".
func (s *Server) Addr() string { return s.addr }

// SetFailing makes queries for host give SERVFAIL, or no longer. Nothing held of it is given meanwhile.
func (s *Server) SetFailing(host string, failing bool) {
	s.answerer.setFailing(canonical(host), failing)
}

// Close stops listening and waits for the answers under way.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		s.stop()
	}
	s.closed = true
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.Shutdown())
	}
	s.servers = nil
	s.wg.Wait()
	return errors.Join(errs...)
}

// listen takes one port for both transports. A free UDP port may be taken for TCP, so with port 0 it tries some.
func listen(ctx context.Context, addr string) (net.PacketConn, net.Listener, error) {
	const attempts = 20
	var lc net.ListenConfig
	var failures error
	for range attempts {
		streams, err := lc.Listen(ctx, "tcp", addr)
		if err != nil {
			return nil, nil, fmt.Errorf("listening for DNS over TCP: %w", err)
		}
		packets, err := lc.ListenPacket(ctx, "udp", streams.Addr().String())
		if err == nil {
			return packets, streams, nil
		}
		failures = fmt.Errorf("listening for DNS over UDP: %w", err)
		_ = streams.Close()
		if _, port, _ := net.SplitHostPort(addr); port != "0" {
			break
		}
	}
	return nil, nil, failures
}

// canonical is the form in which the Zone knows a name.
func canonical(host string) string {
	return strings.TrimSuffix(strings.ToLower(host), ".")
}
