// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/textproto"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// texts are the lines of the log since a time that are of one session, without those of discovery.
func (r *rig) texts(of Kind, since time.Time) (texts []string) {
	host := map[Kind]string{ACS: "ecs-a-4", TCS: "ecs-t-4"}
	other := map[Kind]Kind{ACS: TCS, TCS: ACS}[of]
	for _, l := range r.agent.Log() {
		isOther := strings.Contains(l.Text, string(other)) || strings.Contains(l.Fields, host[other]) && !strings.Contains(l.Fields, host[of])
		if !l.Time.Before(since) && !isOther && !strings.Contains(l.Text, "DiscoverPollEndpoint") {
			texts = append(texts, l.Level+" "+l.Text)
		}
	}
	return texts
}

// What the real agent logs of a session that it replaces by plan.
func TestWordsOfAPlannedReconnect(t *testing.T) {
	for _, k := range kinds {
		inBubble(t, 1, func(r *rig) {
			time.Sleep(29 * time.Minute)
			start := time.Now()
			time.Sleep(7 * time.Minute)
			again := []string{"info Reconnecting to ACS immediately without waiting"}
			closed := "info ACS WebSocket connection closed for a valid reason"
			if k == TCS {
				again, closed = nil, "info TCS Websocket connection closed for a valid reason"
			}
			want := append([]string{"warn Closing connection", "info Disconnected from server.", closed}, again...)
			want = append(want, "info Establishing a Websocket connection", "info Websocket connection established.", "info Connected to "+string(k)+" endpoint")
			r.Expect(r.texts(k, start)).To(Equal(want), r.log())
			for _, l := range r.agent.Log() {
				r.Expect(l.Planned).To(Equal(l.Text == "Closing connection" || l.Text == "Disconnected from server."), l.String())
			}
			r.Expect(r.log()).To(MatchRegexp(`msg="Closing connection" URL="https://ecs-[at]-4\..*" ConnectionStartTime="2000-01-01 00:00:00" ` +
				`MaxDisconnectionTime="2000-01-01 00:3[0-5]:\d\d"`))
		})
	}
}

// A session with TCS that is silent for too long gets a close frame, and ends by the read deadline if the server doesn't answer.
func TestTCSClosesASilentSession(t *testing.T) {
	for seed := range uint64(10) {
		inBubble(t, seed, func(r *rig) {
			time.Sleep(10 * time.Minute)
			start := time.Now()
			r.deny(ingress)
			r.within(3*time.Minute, func() bool { return len(r.logged(`msg="Closing connection" URL="https://ecs-t-4`, start)) > 0 })
			closing := r.logged(`msg="Closing connection" URL="https://ecs-t-4`, start)[0]
			r.Expect(closing).To(And(BeNumerically(">=", inactivity-metricsInterval), BeNumerically("<=", inactivity+inactivityJitter)))
			r.Expect(r.agent.Connected(TCS)).To(BeTrue(), "the answer doesn't come")
			lost := r.within(3*time.Minute, func() bool { return !r.agent.Connected(TCS) })
			r.Expect(lost + closing).To(BeNumerically("<=", readDeadline+time.Second))
			r.Expect(r.log()).To(MatchRegexp(`msg="Error: lost websocket connection with ECS Telemetry service \(TCS\)" error="read tcp .*: i/o timeout"`))
			r.Expect(r.logged("websocket: close sent", start)).NotTo(BeEmpty(), "it goes on to publish")
		})
	}
}

// What the real agent logs of a loss and of the way back.
func TestWordsOfALoss(t *testing.T) {
	inBubble(t, 4, func(r *rig) {
		time.Sleep(10 * time.Minute)
		start := time.Now()
		r.deny(egress)
		r.within(10*time.Minute, func() bool { return len(r.logged("Error connecting to TCS", start)) > 0 })
		acs, tcs := r.texts(ACS, start), r.texts(TCS, start)
		r.Expect(acs).To(ContainElements("warn ACS Connection hasn't had any activity for too long; closing connection", "info Disconnected from ACS",
			"info Waiting before reconnecting to ACS", "info Done waiting; reconnecting to ACS", "error Failed to connect to ACS"))
		r.Expect(tcs).To(ContainElements("warn Closing connection", "info Disconnected from server.", "warn Error publishing metrics",
			"error Error: lost websocket connection with ECS Telemetry service (TCS)", "error Error connecting to TCS"))
		r.Expect(r.log()).To(MatchRegexp(`msg="Error creating a websocket client: dial tcp [\d.]+:443: i/o timeout"`))
		r.Expect(r.log()).To(MatchRegexp(`msg="Waiting before reconnecting to ACS" reconnectDelay="2\d\d\.\d+ms"`))

		back := time.Now()
		r.deny(nil)
		r.within(3*time.Minute, func() bool { return r.agent.Connected(ACS) && r.agent.Connected(TCS) })
		for _, k := range kinds {
			r.Expect(r.texts(k, back)).To(ContainElements("info Websocket connection established.", "info Connected to "+string(k)+" endpoint"))
		}
	})
}

// Frames to TCS are the lines of a signed request and JSON, with at most ten tasks each.
func TestMetricsFrames(t *testing.T) {
	g := NewWithT(t)
	o := &Options{Cluster: cluster, ContainerInstanceARN: instanceARN, Tasks: &Tasks{}}
	now := time.Now()
	read := func() (frames []publishMetrics) {
		for _, message := range o.metrics(now.Add(time.Minute)) {
			frame := o.signed(tcsHost, encode(typePublishMetrics, message))
			lines := textproto.NewReader(bufio.NewReader(bytes.NewReader(frame)))
			header, err := lines.ReadMIMEHeader()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(header.Get("Authorization")).To(MatchRegexp(`^AWS4-HMAC-SHA256 Credential=\w+/\d{8}/ap-northeast-1/ecs/aws4_request, SignedHeaders=`))
			g.Expect(header.Get("Host")).To(Equal(tcsHost))
			e, err := decode(frame)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(e.Type).To(Equal("PublishMetricsRequest"))
			var m publishMetrics
			g.Expect(json.Unmarshal(e.Message, &m)).To(Succeed())
			frames = append(frames, m)
		}
		return frames
	}
	idle := read()
	g.Expect(idle).To(HaveLen(1))
	g.Expect(idle[0].Metadata.Idle && idle[0].Metadata.Fin).To(BeTrue())

	var told []Task
	for n := range 11 {
		told = append(told, Task{ARN: fmt.Sprintf("task-%02d", n), Family: "demo", Version: "1", DesiredStatus: statusRunning})
	}
	o.Tasks.take(told, newTiming(1, 0))
	busy := read()
	g.Expect(busy).To(HaveLen(2))
	g.Expect(busy[0].Tasks).To(HaveLen(10))
	g.Expect(busy[1].Tasks).To(Equal([]taskMetric{{ARN: "task-10", Family: "demo", Version: "1"}}))
	g.Expect([]bool{busy[0].Metadata.Fin, busy[1].Metadata.Fin, busy[1].Metadata.Idle}).To(Equal([]bool{false, true, false}))
	g.Expect(busy[0].Metadata.MessageID).To(Equal(busy[1].Metadata.MessageID), "they are of one time")
}
