// SPDX-License-Identifier: Apache-2.0

package fabric

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// end is one host's view of a connection.
type end struct {
	// closed: the application closed its socket; the host still sees to what is queued.
	closed bool
	// gone: the host has forgotten the connection, and answers what arrives with a RST.
	gone bool
	// err is what ended the connection, for the application.
	err error
}

// link is one TCP connection: the client's end is a clientConn, the server's end a real connection, and between
// them are two flows of packets.
type link struct {
	fabric *Fabric
	path   path
	srv    net.Conn

	mu             sync.Mutex
	changed        *sync.Cond // anything below changed
	up, down       flow       // instance to server, server to instance
	client, server end
	inbox, outbox  stream // arrived at the instance, at the server's host
	read, write    deadline
	flushed        bool // the server was given everything, its end included
	over           bool // nothing happens on the link any more
}

// stream is what has arrived and was not yet taken.
type stream struct {
	data []byte
	eof  bool
}

func (b *stream) add(s segment) {
	b.data = append(b.data, s.data...)
	b.eof = b.eof || s.fin
}

func newLink(f *Fabric, p path, srv net.Conn) *link {
	l := &link{fabric: f, path: p, srv: srv}
	l.changed = sync.NewCond(&l.mu)
	l.up = flow{
		data: p.out, ack: p.in, after: l.after,
		reach:  func(newData bool) bool { return l.reach(&l.server, newData, p.in) },
		arrive: l.outbox.add,
		unread: func() int { return len(l.outbox.data) },
		giveUp: func() { l.forget(&l.client, syscall.ETIMEDOUT) },
	}
	l.down = flow{
		data: p.in, ack: p.out, after: l.after,
		reach:  func(newData bool) bool { return l.reach(&l.client, newData, p.out) },
		arrive: l.inbox.add,
		unread: func() int { return len(l.inbox.data) },
		giveUp: func() { l.forget(&l.server, syscall.ETIMEDOUT) },
	}
	l.up.start()
	l.down.start()
	return l
}

func (l *link) start() {
	go l.readServer()
	go l.writeServer()
}

func (l *link) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(l.fabric.scaled(d), func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if !l.over {
			f()
			l.settle()
		}
	})
}

// reach is a segment's arrival at the host of end e. A host answers with a RST where it has forgotten the connection
// or where the data will never be read.
func (l *link) reach(e *end, newData bool, answer func() bool) bool {
	if !e.gone && !(e.closed && newData) {
		return true
	}
	l.forget(e, net.ErrClosed)
	if answer() {
		l.reset()
	}
	return false
}

// forget is the end of a connection for one host, which sends nothing more of it.
func (l *link) forget(e *end, err error) {
	e.gone = true
	if e.err == nil {
		e.err = err
	}
	if e == &l.client {
		l.up.stop()
		return
	}
	l.down.stop()
	abandon(l.srv)
}

// reset is the arrival of a RST, which leaves the connection to neither host.
func (l *link) reset() {
	l.forget(&l.client, syscall.ECONNRESET)
	l.forget(&l.server, syscall.ECONNRESET)
}

// settle follows every change: it ends the link when nothing can happen on it any more and wakes who waits.
func (l *link) settle() {
	clientQuiet := l.client.gone || l.up.done
	serverQuiet := l.server.gone || l.down.done && (l.flushed || l.client.gone)
	if clientQuiet && serverQuiet {
		l.finish()
	}
	l.changed.Broadcast()
}

func (l *link) finish() {
	if l.over {
		return
	}
	l.over = true
	l.up.stop()
	l.down.stop()
	_ = l.srv.Close()
	l.fabric.forget(l)
}

// abort is the fabric's own end.
func (l *link) abort() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(&l.client, net.ErrClosed)
	l.forget(&l.server, net.ErrClosed)
	l.settle()
}

// readServer turns what the server writes into packets.
func (l *link) readServer() {
	defer l.fabric.wg.Done()
	for {
		buf := make([]byte, segmentSize)
		n, err := l.srv.Read(buf)
		if !l.fromServer(buf[:n], err) {
			return
		}
	}
}

func (l *link) fromServer(data []byte, err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.settle()
	for l.down.full() && !l.server.gone && !l.over {
		l.changed.Wait()
	}
	if l.server.gone || l.over {
		return false
	}
	if len(data) > 0 {
		l.down.send(segment{data: data})
	}
	switch {
	case err == nil:
		return true
	case errors.Is(err, io.EOF):
		l.server.closed = true
		l.down.limit = maxOrphanRetransmissions
		l.down.send(segment{fin: true})
	default:
		l.serverReset()
	}
	return false
}

// serverReset is a RST that the server's host sends.
func (l *link) serverReset() {
	l.forget(&l.server, net.ErrClosed)
	if l.path.in() {
		l.reset()
	}
}

// writeServer gives the server what arrived for it.
func (l *link) writeServer() {
	defer l.fabric.wg.Done()
	for {
		data, eof, ok := l.forServer()
		if !ok {
			return
		}
		var err error
		if eof {
			closeWrite(l.srv)
		} else {
			_, err = l.srv.Write(data)
		}
		if !l.wrote(eof, err) {
			return
		}
	}
}

// wrote reports whether there may be more to write.
func (l *link) wrote(eof bool, err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flushed = eof
	if err != nil && !l.server.gone && !l.over {
		l.serverReset()
	}
	l.settle()
	return !eof && err == nil
}

func (l *link) forServer() (data []byte, eof, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.over || l.server.gone:
			return nil, false, false
		case len(l.outbox.data) > 0:
			data, l.outbox.data = l.outbox.data, nil
			l.up.push()
			l.settle()
			return data, false, true
		case l.outbox.eof:
			return nil, true, true
		}
		l.changed.Wait()
	}
}

// abandon closes the server's real connection so that the server sees it fail, not end.
func abandon(c net.Conn) {
	if t, ok := c.(interface{ SetLinger(sec int) error }); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

func closeWrite(c net.Conn) {
	if t, ok := c.(interface{ CloseWrite() error }); ok {
		_ = t.CloseWrite()
		return
	}
	_ = c.Close()
}
