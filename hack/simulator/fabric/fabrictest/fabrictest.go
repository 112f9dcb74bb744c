// SPDX-License-Identifier: Apache-2.0

// Package fabrictest has servers for a fabric without sockets, so that whole sessions run in the virtual time of a
// testing/synctest bubble, where a goroutine that waits for a socket would stop the clock.
package fabrictest

import (
	"context"
	"net"
	"sync"
	"time"
)

// Listener is a net.Listener whose connections come from its Dial.
type Listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// NewListener gives a listener that is open.
func NewListener() *Listener {
	return &Listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial is the fabric's backend.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	a, b := Pipe()
	select {
	case l.conns <- b:
		return a, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept waits for a Dial.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Dial.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is an address without meaning.
func (l *Listener) Addr() net.Addr { return &net.TCPAddr{} }

// Pipe is a connection within the process. Unlike net.Pipe's, each of its sides can end its own direction alone, as TCP can:
// the ends have CloseWrite, and CloseRead, after which what the other end writes fails.
func Pipe() (a, b net.Conn) {
	r1, w1 := net.Pipe()
	r2, w2 := net.Pipe()
	return &end{r: r1, w: w2}, &end{r: r2, w: w1}
}

type end struct{ r, w net.Conn }

func (e *end) Read(b []byte) (int, error)         { return e.r.Read(b) }
func (e *end) Write(b []byte) (int, error)        { return e.w.Write(b) }
func (e *end) CloseRead() error                   { return e.r.Close() }
func (e *end) CloseWrite() error                  { return e.w.Close() }
func (e *end) Close() error                       { _ = e.w.Close(); return e.r.Close() }
func (e *end) LocalAddr() net.Addr                { return e.r.LocalAddr() }
func (e *end) RemoteAddr() net.Addr               { return e.r.RemoteAddr() }
func (e *end) SetDeadline(t time.Time) error      { _ = e.r.SetDeadline(t); return e.w.SetDeadline(t) }
func (e *end) SetReadDeadline(t time.Time) error  { return e.r.SetReadDeadline(t) }
func (e *end) SetWriteDeadline(t time.Time) error { return e.w.SetWriteDeadline(t) }
