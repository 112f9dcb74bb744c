// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/coder/websocket"
)

// connection is a WebSocket and the connection under it, whose deadlines and end the agent sees to itself.
type connection struct {
	ws   *websocket.Conn
	conn net.Conn
}

// connect resolves, dials and upgrades, all within the dial time-out.
func (r *run) connect(ctx context.Context, t target) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timing.scaled(dialTimeout))
	defer cancel()
	conn, err := r.dial(ctx, t)
	if err != nil {
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
		return nil, fmt.Errorf("websocket client: unable to dial %s response: : %w", t.host, handshakeError(conn, response, err))
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
