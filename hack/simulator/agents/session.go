// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// keepSession has a session of a kind for as long as the agent runs.
func (r *run) keepSession(ctx context.Context, k Kind) {
	s := &session{run: r, kind: k, backoff: newBackoff(k), sendCredentials: true}
	for ctx.Err() == nil {
		err := s.once(ctx)
		switch {
		case ctx.Err() != nil:
		case err == nil:
			r.log.info("%s Websocket connection closed for a valid reason", k)
			s.backoff.reset()
		default:
			delay := s.backoff.next(r.timing)
			s.logLost(err, delay)
			sleep(ctx, delay)
		}
	}
}

// session is what an agent keeps over the connections of one kind.
type session struct {
	*run
	kind    Kind
	backoff *backoff
	// sendCredentials asks ACS for all credentials, until it was connected once.
	sendCredentials bool
}

// once connects and serves one connection to its end. No error means a close that is no failure.
func (s *session) once(ctx context.Context) error {
	endpoint, err := s.endpoints.get(ctx, s.kind)
	if err != nil {
		s.log.fail("%s: unable to discover poll endpoint: %v", s.kind, err)
		return err
	}
	t, err := parseTarget(endpoint, s.o.query(s.kind, s.sendCredentials))
	if err != nil {
		s.log.fail("%s: %v", s.kind, err)
		return err
	}
	s.log.info("Establishing a Websocket connection url=%s", t.url)
	c, err := s.connect(ctx, t)
	if err != nil {
		if ctx.Err() == nil {
			s.logUnreachable(err)
		}
		return err
	}
	s.log.info("Connected to %s endpoint", s.kind)
	s.sendCredentials = false
	s.connected[s.kind].Store(true)
	defer s.connected[s.kind].Store(false)
	return s.serve(ctx, c)
}

// serve runs the connection's timers while it reads.
func (s *session) serve(ctx context.Context, c *connection) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The end of the agent's process closes its sockets.
	defer context.AfterFunc(ctx, func() { _ = c.ws.CloseNow() })()
	defer func() { _ = c.ws.CloseNow() }()

	var renewed atomic.Bool
	planned := time.AfterFunc(s.timing.jittered(plannedReconnect, plannedJitter), func() {
		renewed.Store(true)
		s.renew(c)
	})
	defer planned.Stop()
	// TCS has no timer of its own for silence: its read deadline ends a silent session.
	alive := func() {}
	if s.kind == ACS {
		silent := time.AfterFunc(s.timing.jittered(inactivity, inactivityJitter), func() { s.silence(c) })
		defer silent.Stop()
		alive = func() { silent.Reset(s.timing.jittered(inactivity, inactivityJitter)) }
		// A connection that lasted shows that earlier failures are over.
		steady := time.AfterFunc(s.timing.jittered(inactivity, inactivityJitter), s.backoff.reset)
		defer steady.Stop()
	} else {
		published := make(chan struct{})
		go func() {
			defer close(published)
			s.publish(ctx, c)
		}()
		defer func() {
			cancel()
			_ = c.ws.CloseNow()
			<-published
		}()
	}
	for {
		frame, err := c.read(s.timing)
		if err != nil && renewed.Load() {
			return nil // whichever of reader and closer saw the server's close frame
		}
		if err != nil {
			return validClose(err)
		}
		alive()
		if err := s.handle(c, frame); err != nil && !errors.Is(err, net.ErrClosed) {
			s.log.warn("%v", err)
		}
	}
}

// silence ends an ACS session that has been silent for too long.
func (s *session) silence(c *connection) {
	s.log.warn("ACS Connection hasn't had any activity for too long; closing connection")
	_ = c.ws.CloseNow()
	s.log.info("Disconnected from ACS")
}

// renew ends a connection by plan.
func (s *session) renew(c *connection) {
	s.log.info("Closing connection after its maximum duration")
	c.close(s.timing, websocket.StatusNormalClosure, "ConnectionExpired: Reconnect to continue")
}

// handle answers a message.
func (s *session) handle(c *connection, frame []byte) error {
	e, err := decode(frame)
	if err != nil || s.kind != ACS {
		return err
	}
	switch e.Type {
	case typeHeartbeat:
		var h heartbeat
		if err := json.Unmarshal(e.Message, &h); err != nil {
			return err
		}
		return c.write(s.timing, encode(typeHeartbeatAck, heartbeatAck{MessageID: h.MessageID}))
	case typePayload:
		var p payload
		if err := json.Unmarshal(e.Message, &p); err != nil {
			return err
		}
		s.o.Tasks.take(p.Tasks, s.timing)
		return c.write(s.timing, encode(typePayloadAck, payloadAck{
			Cluster: s.o.Cluster, ContainerInstance: s.o.ContainerInstanceARN, MessageID: p.MessageID,
		}))
	}
	return nil
}

// publish sends metrics until the connection ends.
func (s *session) publish(ctx context.Context, c *connection) {
	for {
		sleep(ctx, s.timing.scaled(metricsInterval))
		if ctx.Err() != nil {
			return
		}
		err := c.write(s.timing, encode(typePublishMetrics, publishMetrics{
			Metadata: metricsMetadata{
				Cluster: s.o.Cluster, ContainerInstance: s.o.ContainerInstanceARN,
				Idle: true, Fin: true, MessageID: rand.Text(),
			},
			Timestamp: time.Now().Unix(),
		}))
		if err != nil {
			// A connection that is closed is the reader's to tell of.
			if !errors.Is(err, net.ErrClosed) {
				s.log.warn("Error publishing metrics: %v", err)
			}
			return
		}
	}
}

func (s *session) logUnreachable(err error) {
	if s.kind == ACS {
		s.log.fail("Failed to connect to ACS: %v", err)
		return
	}
	s.log.fail("Error connecting to TCS: %v", err)
}

func (s *session) logLost(err error, delay time.Duration) {
	if s.kind == ACS {
		s.log.info("Waiting before reconnecting to ACS reconnectDelay=%s", s.timing.unscaled(delay))
		return
	}
	s.log.fail("Error: lost websocket connection with ECS Telemetry service (TCS): %v", err)
}

// read waits for a message until the read deadline.
func (c *connection) read(t *timing) ([]byte, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(t.scaled(readDeadline))); err != nil {
		return nil, err
	}
	_, frame, err := c.ws.Read(context.Background())
	return frame, err
}

func (c *connection) write(t *timing, frame []byte) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(t.scaled(readDeadline))); err != nil {
		return err
	}
	return plainError(c.ws.Write(context.Background(), websocket.MessageText, frame))
}

// close sends a close frame and waits for its answer, but no longer than a scaled while: the library's own wait is
// not scaled.
func (c *connection) close(t *timing, code websocket.StatusCode, reason string) {
	enough := time.AfterFunc(t.scaled(closeHandshake), func() { _ = c.conn.Close() })
	defer enough.Stop()
	_ = c.ws.Close(code, reason)
}

// validClose is the error of a connection's end, none where the agent takes it for valid. The end of the stream without a
// close frame is what WebSocket calls 1006.
func validClose(err error) error {
	switch websocket.CloseStatus(err) {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway, websocket.StatusInternalError:
		return nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	if errors.Is(err, net.ErrClosed) {
		return net.ErrClosed
	}
	return plainError(err)
}
