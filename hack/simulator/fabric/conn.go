// SPDX-License-Identifier: Apache-2.0

package fabric

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// clientConn is the instance's end of a connection.
type clientConn struct {
	*link
}

var _ net.Conn = (*clientConn)(nil)

// Read gives what has arrived. Bytes that arrived before the connection failed are given before its error.
func (c *clientConn) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.client.closed:
			return 0, c.opError("read", net.ErrClosed)
		case c.link.read.passed():
			return 0, c.opError("read", os.ErrDeadlineExceeded)
		case len(b) == 0:
			return 0, nil
		case len(c.inbox.data) > 0:
			n := copy(b, c.inbox.data)
			c.inbox.data = c.inbox.data[n:]
			c.down.push()
			c.settle()
			return n, nil
		case c.inbox.eof:
			return 0, io.EOF
		case c.client.err != nil:
			return 0, c.opError("read", c.client.err)
		}
		c.changed.Wait()
	}
}

// Write queues bytes for sending. That it returned says nothing about their arrival, as with any TCP connection.
func (c *clientConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var n int
	for {
		switch {
		case c.client.closed:
			return n, c.opError("write", net.ErrClosed)
		case c.link.write.passed():
			return n, c.opError("write", os.ErrDeadlineExceeded)
		case c.client.err != nil:
			return n, c.opError("write", c.client.err)
		case n == len(b):
			return n, nil
		case !c.up.full():
			chunk := b[n:min(n+segmentSize, len(b))]
			n += len(chunk)
			c.up.send(segment{data: append([]byte(nil), chunk...)})
			c.settle()
			continue
		}
		c.changed.Wait()
	}
}

// Close sends what is queued and a FIN, in the background, as a host does after its application closed the socket.
func (c *clientConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client.closed {
		return c.opError("close", net.ErrClosed)
	}
	c.client.closed = true
	c.inbox = stream{}
	c.link.read.set(time.Time{}, nil)
	c.link.write.set(time.Time{}, nil)
	if !c.client.gone {
		c.up.limit = maxOrphanRetransmissions
		c.up.send(segment{fin: true})
	}
	c.settle()
	return nil
}

// LocalAddr is the instance's private address and the ephemeral port.
func (c *clientConn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.path.instance) }

// RemoteAddr is the server's simulated address.
func (c *clientConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.path.server) }

// SetDeadline sets the deadlines of Read and Write.
func (c *clientConn) SetDeadline(t time.Time) error {
	return c.setDeadline("set", t, &c.link.read, &c.link.write)
}

// SetReadDeadline sets the deadline of Read.
func (c *clientConn) SetReadDeadline(t time.Time) error {
	return c.setDeadline("set", t, &c.link.read)
}

// SetWriteDeadline sets the deadline of Write.
func (c *clientConn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline("set", t, &c.link.write)
}

func (c *clientConn) setDeadline(op string, t time.Time, ds ...*deadline) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client.closed {
		return c.opError(op, net.ErrClosed)
	}
	for _, d := range ds {
		d.set(t, c.changed)
	}
	c.changed.Broadcast()
	return nil
}

func (c *clientConn) opError(op string, err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		err = os.NewSyscallError(op, errno)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// deadline is a point in time that wakes who waits for it.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) set(t time.Time, wake *sync.Cond) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = t
	if t.IsZero() {
		return
	}
	d.timer = time.AfterFunc(time.Until(t), func() {
		wake.L.Lock()
		defer wake.L.Unlock()
		wake.Broadcast()
	})
}
