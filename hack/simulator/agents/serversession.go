// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

type connKey struct{}

// serverSession is one connection of an agent, as its server sees it.
type serverSession struct {
	*connection
	client
	cluster  string
	timing   *timing
	payloads *payloads
	wg       sync.WaitGroup
}

// serve is one request for a session, and all of the session.
func (c *ControlPlane) serve(k Kind, w http.ResponseWriter, r *http.Request) {
	id, ok := clientOf(k, r)
	if !ok {
		http.Error(w, `{"type":"BadRequestException","message":{"message":"cluster and container instance are required"}}`, http.StatusBadRequest)
		return
	}
	if !c.enter() {
		http.Error(w, `{"type":"ServerException","message":{"message":"closing"}}`, http.StatusServiceUnavailable)
		return
	}
	defer c.wg.Done()
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return // Accept has answered
	}
	conn, _ := r.Context().Value(connKey{}).(net.Conn)
	s := &serverSession{
		connection: &connection{ws: ws, conn: conn}, client: id, cluster: r.URL.Query().Get("clusterArn"), timing: c.timing,
		payloads: newPayloads(&c.o),
	}
	c.count(id, s, true)
	s.run(c.ctx)
	c.count(id, s, false)
	s.wg.Wait()
}

// clientOf reads the agent's query. What the two services call the same differs.
func clientOf(k Kind, r *http.Request) (client, bool) {
	cluster, instance := "clusterArn", "containerInstanceArn"
	if k == TCS {
		cluster, instance = "cluster", "containerInstance"
	}
	q := r.URL.Query()
	id := client{k, q.Get(instance)}
	return id, strings.HasSuffix(r.URL.Path, "/ws") && q.Get(cluster) != "" && id.containerInstanceARN != ""
}

// run serves until either side closes, the client has been silent for too long, or ctx ends.
func (s *serverSession) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	end := func() { _ = s.ws.CloseNow() }
	defer context.AfterFunc(ctx, end)()
	defer end()
	silent := time.AfterFunc(s.timing.scaled(clientSilence), end)
	defer silent.Stop()
	s.wg.Go(func() { s.sendHeartbeats(ctx) })
	if s.kind == ACS {
		s.wg.Go(func() { s.sendPayloads(ctx) })
	}

	for {
		_, frame, err := s.ws.Read(context.Background())
		if err != nil {
			return
		}
		silent.Reset(s.timing.scaled(clientSilence))
		e, err := decode(frame)
		switch {
		case err != nil:
		case e.Type == typePublishMetrics:
			s.send(ctx, encode(typeMetricsAck, metricsAck{Message: "ok"}))
		case e.Type == typePayloadAck:
			s.payloads.acknowledge(e.Message)
		}
	}
}

// sendHeartbeats starts somewhere within the interval, so that the agents of a fleet don't beat as one.
func (s *serverSession) sendHeartbeats(ctx context.Context) {
	wait := s.timing.jittered(0, heartbeatInterval)
	for {
		sleep(ctx, wait)
		if ctx.Err() != nil {
			return
		}
		s.send(ctx, encode(typeHeartbeat, heartbeat{Healthy: true, MessageID: rand.Text()}))
		wait = s.timing.scaled(heartbeatInterval)
	}
}

// send leaves a failure to the reader, which sees it too.
func (s *serverSession) send(ctx context.Context, frame []byte) {
	_ = s.ws.Write(ctx, websocket.MessageText, frame)
}
