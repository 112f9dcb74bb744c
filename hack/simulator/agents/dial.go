// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// dial connects to one of the host's addresses, as Go's dialer does, which the agent uses: the addresses of the family
// that is preferred in turn and, unless they are quick, those of the other one beside them.
func (r *run) dial(ctx context.Context, t target) (net.Conn, error) {
	port, err := strconv.ParseUint(t.port, 10, 16)
	if err != nil {
		return nil, err
	}
	addrs, err := r.o.Resolve(ctx, t.host)
	if err == nil && len(addrs) == 0 {
		err = &net.DNSError{Err: "no such host", Name: t.host, IsNotFound: true}
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	preferred, others := families(addrs, r.o.Host.IPv6.IsValid(), uint16(port))
	if len(others) == 0 {
		return r.dialSerial(ctx, preferred)
	}
	return r.dialParallel(ctx, preferred, others)
}

// families sorts addresses by family, the preferred one first. What matters here of RFC 6724: IPv6 precedes IPv4 (rule 6),
// but not on a host without IPv6 (rule 1), whose attempts would fail at once and count for nothing.
func families(addrs []netip.Addr, haveIPv6 bool, port uint16) (preferred, others []netip.AddrPort) {
	var v4, v6 []netip.AddrPort
	for _, a := range addrs {
		if a = a.Unmap(); a.Is4() {
			v4 = append(v4, netip.AddrPortFrom(a, port))
		} else {
			v6 = append(v6, netip.AddrPortFrom(a, port))
		}
	}
	switch {
	case len(v4) == 0 || haveIPv6 && len(v6) > 0:
		return v6, v4
	default:
		return v4, nil
	}
}

// dialParallel gives the preferred addresses a start and takes the first connection (RFC 6555, Happy Eyeballs). If none
// comes, the error is that of the preferred family.
func (r *run) dialParallel(ctx context.Context, preferred, others []netip.AddrPort) (net.Conn, error) {
	type result struct {
		conn  net.Conn
		err   error
		first bool
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results, returned := make(chan result), make(chan struct{})
	defer close(returned)
	race := func(first bool, addrs []netip.AddrPort) {
		conn, err := r.dialSerial(ctx, addrs)
		select {
		case results <- result{conn, err, first}:
		case <-returned:
			if conn != nil {
				_ = conn.Close()
			}
		}
	}
	r.wg.Go(func() { race(true, preferred) })
	fallback := time.NewTimer(r.timing.scaled(fallbackDelay))
	defer fallback.Stop()
	started := false
	var failed []result
	for {
		select {
		case <-fallback.C:
			started = true
			r.wg.Go(func() { race(false, others) })
		case res := <-results:
			if res.err == nil {
				return res.conn, nil
			}
			if failed = append(failed, res); len(failed) == 2 {
				i := slices.IndexFunc(failed, func(f result) bool { return f.first })
				return nil, failed[i].err
			}
			if !started {
				fallback.Reset(0) // there is nothing left to wait for
			}
		}
	}
}

// dialSerial tries addresses in turn: each has its share of the time that is left.
func (r *run) dialSerial(ctx context.Context, addrs []netip.AddrPort) (net.Conn, error) {
	var first error
	for i, addr := range addrs {
		conn, err := r.dialOne(ctx, addr, len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// dialOne dials the first of so many addresses.
func (r *run) dialOne(ctx context.Context, addr netip.AddrPort, addresses int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && addresses > 1 {
		share := max(time.Until(deadline)/time.Duration(addresses), r.timing.scaled(leastDialTime))
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, share)
		defer cancel()
	}
	return r.o.Fabric.Dial(ctx, r.o.Host, addr)
}
