// SPDX-License-Identifier: Apache-2.0

package fabric

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

const (
	// firstSYN is how long the first SYN waits for its SYN-ACK; each further one waits twice as long.
	firstSYN = time.Second
	// synTries is Linux's tcp_syn_retries and the first one: 127 s in all.
	synTries = 7
)

// Dial connects a host to a simulated address. Its errors are those of net.Dialer: when ctx runs out of time, a
// *net.OpError that reads "i/o timeout" and whose Timeout is true; at once "network is unreachable" where the host has no
// address of the family.
func (f *Fabric) Dial(ctx context.Context, from Host, to netip.AddrPort) (net.Conn, error) {
	p := path{judge: f.judge, subnetID: from.SubnetID, server: to}
	ip := from.from(to.Addr())
	if !ip.IsValid() {
		return nil, dialError(p, os.NewSyscallError("connect", syscall.ENETUNREACH))
	}
	p.instance = netip.AddrPortFrom(ip, f.ephemeralPort(ip))

	wait := firstSYN
	for range synTries {
		conn, err := f.open(ctx, p)
		if conn != nil || err != nil {
			return conn, dialError(p, err)
		}
		if err := f.sleep(ctx, wait); err != nil {
			return nil, dialError(p, err)
		}
		wait *= 2
	}
	return nil, dialError(p, os.NewSyscallError("connect", syscall.ETIMEDOUT))
}

// open sends one SYN. Neither a connection nor an error means that no answer came.
func (f *Fabric) open(ctx context.Context, p path) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !p.out() {
		return nil, nil
	}
	backend := f.backend(p.server)
	if backend == nil {
		return nil, nil
	}
	// The SYN-ACK, or the RST of a host where nothing listens: the same packet to an ACL.
	if !p.in() {
		return nil, nil
	}
	srv, err := backend(ctx)
	if err != nil {
		return nil, err
	}
	l := newLink(f, p, srv)
	if !f.add(l) {
		_ = srv.Close()
		return nil, net.ErrClosed
	}
	l.start()
	return &clientConn{link: l}, nil
}

func (f *Fabric) sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(f.scaled(d))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-f.closed:
		return net.ErrClosed
	}
}

// dialError words an error as net.Dialer does.
func dialError(p path, err error) error {
	if err == nil {
		return nil
	}
	// A backend's own error names loopback addresses that don't exist in the simulated network.
	if inner, ok := errors.AsType[*net.OpError](err); ok {
		err = inner.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = timeoutError{}
	}
	return &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(p.server), Err: err}
}

// timeoutError is what the net package has for a dial that took too long.
type timeoutError struct{}

func (timeoutError) Error() string   { return os.ErrDeadlineExceeded.Error() }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

func (timeoutError) Is(target error) bool {
	return target == context.DeadlineExceeded || target == os.ErrDeadlineExceeded
}

// path is the two directions that the packets of a connection take.
type path struct {
	judge            Judge
	subnetID         string
	instance, server netip.AddrPort
}

// out sends a packet from the instance to the server and reports whether it arrives.
func (p path) out() bool {
	return p.judge(Packet{SubnetID: p.subnetID, Egress: true, Protocol: ProtocolTCP, Src: p.instance, Dst: p.server})
}

// in sends a packet from the server to the instance and reports whether it arrives.
func (p path) in() bool {
	return p.judge(Packet{SubnetID: p.subnetID, Protocol: ProtocolTCP, Src: p.server, Dst: p.instance})
}
