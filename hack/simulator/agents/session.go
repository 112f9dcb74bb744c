// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"time"

	"github.com/coder/websocket"
)

// keepSession has a session of a kind for as long as the agent runs.
func (r *run) keepSession(ctx context.Context, k Kind) {
	s := &session{run: r, kind: k, backoff: newBackoff(k), sendCredentials: true}
	for ctx.Err() == nil {
		err := s.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			s.logClosed()
			s.backoff.reset()
			continue
		}
		delay := s.backoff.next(r.timing)
		s.logLost(err, delay)
		if sleep(ctx, delay); k == ACS && ctx.Err() == nil {
			r.log.info("Done waiting; reconnecting to ACS")
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
		s.log.fail(undiscovered[s.kind], "error", err)
		return err
	}
	t, err := parseTarget(endpoint, s.o.query(s.kind, s.sendCredentials))
	if err != nil {
		s.log.fail(unreachable[s.kind], "error", err)
		return err
	}
	s.log.info("Establishing a Websocket connection", "url", t.url)
	c, err := s.connect(ctx, t)
	if err != nil {
		if ctx.Err() == nil {
			s.log.fail(unreachable[s.kind], "error", err)
		}
		return err
	}
	c.host, c.url, c.since = t.host, t.url, time.Now()
	return s.serve(ctx, c)
}

// serve runs the connection's timers while it reads.
func (s *session) serve(ctx context.Context, c *connection) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The end of the agent's process closes its sockets.
	defer context.AfterFunc(ctx, func() { _ = c.ws.CloseNow() })()
	defer func() { _ = c.ws.CloseNow() }()

	lasts := s.timing.jittered(plannedReconnect, plannedJitter)
	s.log.info("Websocket connection established.", "URL", c.url, "ConnectTime", c.since, "maxConnectionDuration", s.timing.unscaled(lasts),
		"ExpectedDisconnectTime", c.since.Add(s.timing.scaled(plannedReconnect)))
	planned := time.AfterFunc(lasts, func() { s.closeClient(c, lasts, true) })
	defer planned.Stop()
	s.log.info("Connected to " + string(s.kind) + " endpoint")
	s.sendCredentials = false
	s.connected[s.kind].Store(true)
	defer s.connected[s.kind].Store(false)

	patience := s.timing.jittered(inactivity, inactivityJitter)
	silent := time.AfterFunc(patience, func() { s.silence(c, patience) })
	defer silent.Stop()
	if s.kind == ACS {
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
		if err != nil {
			return validClose(err)
		}
		silent.Reset(s.timing.jittered(inactivity, inactivityJitter))
		s.handle(c, frame)
	}
}

// silence ends a session that has been silent for too long: with ACS at once. With TCS a close frame is sent, and while its
// answer doesn't come either the session goes on until the read deadline.
func (s *session) silence(c *connection, patience time.Duration) {
	if s.kind == TCS {
		s.closeClient(c, patience, false)
		return
	}
	s.log.warn("ACS Connection hasn't had any activity for too long; closing connection")
	_ = c.ws.CloseNow()
	s.log.info("Disconnected from ACS")
}

// closeClient asks the server to end a connection, by plan or not.
func (s *session) closeClient(c *connection, after time.Duration, planned bool) {
	if planned {
		c.isPlanned.Store(true)
	}
	s.log.add(Line{Level: "warn", Planned: planned, Text: "Closing connection", Fields: fields([]any{
		"URL", c.url, "ConnectionStartTime", c.since, "MaxDisconnectionTime", c.since.Add(after),
	})})
	if err := c.sendClose(s.timing, websocket.StatusNormalClosure, "ConnectionExpired: Reconnect to continue"); err != nil {
		s.warnOf(c, "Error disconnecting client.", err)
	}
	s.log.add(Line{Level: "info", Planned: planned, Text: "Disconnected from server.", Fields: fields([]any{"URL", c.url})})
}

// warnOf logs what failed on a connection. What fails on one that is closed the reader tells of.
func (s *session) warnOf(c *connection, text string, err error) {
	if !errors.Is(err, net.ErrClosed) {
		s.log.add(Line{Level: "warn", Planned: c.isPlanned.Load(), Text: text, Fields: fields([]any{"error", err})})
	}
}

// handle answers a message.
func (s *session) handle(c *connection, frame []byte) {
	e, err := decode(frame)
	if err != nil {
		s.log.warn("Unable to handle message from backend: "+err.Error(), "URL", c.url)
		return
	}
	switch {
	case s.kind != ACS:
	case e.Type == typeHeartbeat:
		var h heartbeat
		if err = json.Unmarshal(e.Message, &h); err == nil {
			err = c.write(s.timing, encode(typeHeartbeatAck, heartbeatAck{MessageID: h.MessageID}))
		}
		if err != nil {
			s.warnOf(c, "Error acknowledging server heartbeat", err)
		}
	case e.Type == typePayload:
		var p payload
		if err = json.Unmarshal(e.Message, &p); err == nil {
			s.o.Tasks.take(p.Tasks, s.timing)
			err = c.write(s.timing, encode(typePayloadAck, payloadAck{
				Cluster: s.o.Cluster, ContainerInstance: s.o.ContainerInstanceARN, MessageID: p.MessageID,
			}))
		}
		if err != nil {
			s.warnOf(c, "Error acknowledging payload message", err)
		}
	}
}

// publish sends metrics until the connection ends.
func (s *session) publish(ctx context.Context, c *connection) {
	for {
		sleep(ctx, s.timing.scaled(metricsInterval))
		if ctx.Err() != nil {
			return
		}
		for _, message := range s.o.metrics(time.Now()) {
			if err := c.write(s.timing, s.o.signed(c.host, encode(typePublishMetrics, message))); err != nil {
				s.warnOf(c, "Error publishing metrics", err)
				break
			}
		}
	}
}

// What the agent says of a session that it doesn't get.
var (
	undiscovered = map[Kind]string{ACS: "ACS: Unable to discover poll endpoint", TCS: "tcs: unable to discover poll endpoint"}
	unreachable  = map[Kind]string{ACS: "Failed to connect to ACS", TCS: "Error connecting to TCS"}
)

// logClosed is of a connection that the server closed, or that the agent closed by plan.
func (s *session) logClosed() {
	if s.kind == TCS {
		s.log.info("TCS Websocket connection closed for a valid reason")
		return
	}
	s.log.info("ACS WebSocket connection closed for a valid reason")
	s.log.info("Reconnecting to ACS immediately without waiting")
}

func (s *session) logLost(err error, delay time.Duration) {
	if s.kind == ACS {
		s.log.info("Waiting before reconnecting to ACS", "reconnectDelay", s.timing.unscaled(delay).String())
		return
	}
	s.log.fail("Error: lost websocket connection with ECS Telemetry service (TCS)", "error", err)
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
	if c.isClosing.Load() {
		return errCloseSent
	}
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
