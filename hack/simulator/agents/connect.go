// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// connection is a WebSocket and the connection under it, whose deadlines and end the agent sees to itself.
type connection struct {
	ws   *websocket.Conn
	conn net.Conn
	// isClosing: a close frame was sent, after which nothing more is. isPlanned: it was sent by plan.
	isClosing, isPlanned atomic.Bool

	// An agent's own: where it is connected, and since when.
	host, url string
	since     time.Time
}

// errCloseSent is what the agent's library says of a message after the close frame.
var errCloseSent = errors.New("websocket: close sent")

// sendClose sends a close frame and waits for nothing: the connection lives on until the server answers, or the read deadline.
// The library can't do that.
func (c *connection) sendClose(t *timing, code websocket.StatusCode, reason string) error {
	if c.isClosing.Swap(true) {
		return errCloseSent
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(t.scaled(readDeadline))); err != nil {
		return err
	}
	// The last fragment, opcode 8; then the length with the bit that says that the key of a mask follows: zero, which changes nothing.
	frame := append([]byte{0x88, 0x80 | byte(2+len(reason)), 0, 0, 0, 0}, binary.BigEndian.AppendUint16(nil, uint16(code))...)
	_, err := c.conn.Write(append(frame, reason...))
	return plainError(err)
}

// connect resolves, dials and upgrades, all within the dial time-out.
func (r *run) connect(ctx context.Context, t target) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timing.scaled(dialTimeout))
	defer cancel()
	conn, err := r.dial(ctx, t)
	if err != nil {
		r.log.warn("Error creating a websocket client: " + err.Error())
		return nil, fmt.Errorf("websocket client: unable to dial %s response: : %w", t.host, err)
	}
	// The transport has one connection to give and keeps none, so each dial starts afresh.
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return conn, nil
	}}
	//nolint:bodyclose // websocket.Dial's contract: the response's body is never the caller's to close
	ws, response, err := websocket.Dial(ctx, t.plain, &websocket.DialOptions{
		HTTPClient:      &http.Client{Transport: transport},
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		_ = conn.Close()
		transport.CloseIdleConnections()
		err = handshakeError(conn, response, err)
		r.log.warn("Error creating a websocket client: " + err.Error())
		return nil, fmt.Errorf("websocket client: unable to dial %s response: : %w", t.host, err)
	}
	return &connection{ws: ws, conn: conn}, nil
}

// handshakeError words a failed upgrade as the agent does.
func handshakeError(conn net.Conn, response *http.Response, err error) error {
	if response != nil {
		return fmt.Errorf("websocket: bad handshake: %s", response.Status)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &net.OpError{Op: "read", Net: "tcp", Source: conn.LocalAddr(), Addr: conn.RemoteAddr(), Err: os.ErrDeadlineExceeded}
	}
	return plainError(err)
}

// plainError takes off what the WebSocket and HTTP libraries add to a network's error.
func plainError(err error) error {
	if netErr, ok := errors.AsType[*net.OpError](err); ok {
		return netErr
	}
	if httpErr, ok := errors.AsType[*url.Error](err); ok {
		return httpErr.Err
	}
	return err
}
