// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/coder/websocket"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// outsider is an agent that runs outside of the simulator: all that it has of it is a URL, a certificate and an access key.
type outsider struct {
	*WithT
	t *testing.T
	// sessions dials ACS and TCS as the real agent does, which verifies the certificate by host:port.
	http, sessions *http.Client
	ecs            *ecs.Client
	key            string
	arn            string
	// endpoints are what DiscoverPollEndpoint said, which an agent keeps for hours.
	endpoints map[agents.Kind]string
}

func newOutsider(t *testing.T, g *WithT, s *Simulator, accessKey string) *outsider {
	t.Helper()
	trusted := x509.NewCertPool()
	g.Expect(trusted.AppendCertsFromPEM(s.AgentCertificate())).To(BeTrue())
	client := func(serverName string) *http.Client {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, ServerName: serverName}}}
		t.Cleanup(c.CloseIdleConnections)
		return c
	}
	o := &outsider{WithT: g, t: t, key: accessKey, http: client(""), sessions: client(strings.TrimPrefix(s.AgentURL(), "https://"))}
	config := s.ConfigFor(accessKey)
	config.BaseEndpoint, config.HTTPClient = aws.String(s.AgentURL()), o.http
	o.ecs = ecs.NewFromConfig(config, func(o *ecs.Options) { o.RetryMaxAttempts = 1 })
	return o
}

func (o *outsider) register(change ...func(*ecs.RegisterContainerInstanceInput)) {
	in := registration()
	for _, c := range change {
		c(in)
	}
	out, err := o.ecs.RegisterContainerInstance(o.t.Context(), in)
	o.Expect(err).NotTo(HaveOccurred())
	o.arn = *out.ContainerInstance.ContainerInstanceArn
	found, err := o.ecs.DiscoverPollEndpoint(o.t.Context(), &ecs.DiscoverPollEndpointInput{Cluster: aws.String("demo"), ContainerInstance: aws.String(o.arn)})
	o.Expect(err).NotTo(HaveOccurred())
	o.endpoints = map[agents.Kind]string{agents.ACS: *found.Endpoint, agents.TCS: *found.TelemetryEndpoint}
}

// dial opens a session, or gives the type of the error that it was refused with.
func (o *outsider) dial(ctx context.Context, kind agents.Kind) (ws *websocket.Conn, refusal string, err error) {
	query := url.Values{"clusterArn": {demoARN}, "containerInstanceArn": {o.arn}}
	if kind == agents.TCS {
		query = url.Values{"cluster": {demoARN}, "containerInstance": {o.arn}}
	}
	query.Set("agentVersion", "1.99.0")
	query.Set("agentHash", "1a2b3c4d")
	query.Set("dockerVersion", "DockerVersion: 26.1.0")
	//nolint:bodyclose // websocket.Dial's contract: the response's body is never the caller's to close
	ws, response, err := websocket.Dial(ctx, o.endpoints[kind]+"ws?"+query.Encode(), &websocket.DialOptions{HTTPClient: o.sessions, HTTPHeader: http.Header{"Authorization": {
		"AWS4-HMAC-SHA256 Credential=" + o.key + "/20260102/ap-northeast-1/ecs/aws4_request, SignedHeaders=host, Signature=0",
	}}})
	if response != nil && err != nil {
		var answer struct{ Type string }
		o.Expect(json.NewDecoder(response.Body).Decode(&answer)).To(Succeed())
		refusal = answer.Type
	}
	return ws, refusal, err
}

// refusal is the type of the error that a session is refused with.
func (o *outsider) refusal(kind agents.Kind) string {
	_, refusal, err := o.dial(o.t.Context(), kind)
	o.Expect(err).To(HaveOccurred())
	return refusal
}

// work keeps a session with ACS for as long as it lasts, and does what it is told: at once, and told counts how often.
func (o *outsider) work(ctx context.Context, ws *websocket.Conn, told *atomic.Int32) error {
	for {
		_, frame, err := ws.Read(ctx)
		if err != nil {
			return err
		}
		var in struct {
			Type    string
			Message struct {
				MessageID string
				Tasks     []agents.Task
			}
		}
		if err := json.Unmarshal(frame, &in); err != nil {
			return err
		}
		answer := map[string]string{"HeartbeatMessage": "HeartbeatAckRequest", "PayloadMessage": "AckRequest"}[in.Type]
		text, err := json.Marshal(map[string]any{"type": answer, "message": map[string]string{"messageId": in.Message.MessageID}})
		if err != nil {
			return err
		}
		if err := ws.Write(ctx, websocket.MessageText, text); err != nil {
			return err
		}
		for _, task := range in.Message.Tasks {
			told.Add(1)
			if len(task.Containers) != 1 || task.Containers[0].Image == "" || !task.Containers[0].Essential {
				o.t.Errorf("the task has the containers %+v", task.Containers)
			}
			if _, err := o.ecs.SubmitTaskStateChange(ctx, &ecs.SubmitTaskStateChangeInput{
				Cluster: aws.String("demo"), Task: aws.String(task.ARN), Status: aws.String(task.DesiredStatus),
			}); err != nil {
				return err
			}
		}
	}
}

// An agent that is none of the simulator's registers over TLS, gets tasks over its session, reports them over the API, and is cut
// off by the network ACL of the subnet that it is in.
func TestOutsideAgent(t *testing.T) {
	s, g := withAgents(t, func(o *Options) { o.AgentListen, o.Scale = "127.0.0.1:0", 60 })
	o := newOutsider(t, g, s, s.World().Keys()[0].ID)
	o.register()
	run := func() *ecs.RunTaskOutput {
		out, err := ecsClient(s).RunTask(t.Context(), &ecs.RunTaskInput{
			Cluster: aws.String("demo"), TaskDefinition: aws.String("demo"), PlacementConstraints: onInstance(newInstanceID),
		})
		g.Expect(err).NotTo(HaveOccurred())
		return out
	}
	isAGENT := ContainElement(And(HaveField("Arn", HaveValue(Equal(o.arn))), HaveField("Reason", HaveValue(Equal("AGENT")))))
	g.Expect(run().Failures).To(isAGENT)
	// Others are told of AWS's hosts, whose addresses they can deny.
	out, err := ecsClient(s).DiscoverPollEndpoint(t.Context(), &ecs.DiscoverPollEndpointInput{Cluster: aws.String("demo"), ContainerInstance: aws.String(o.arn)})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*out.Endpoint).To(Equal("https://ecs-a-4.ap-northeast-1.amazonaws.com/"))

	var told atomic.Int32
	ended := make(chan error)
	connect := func() (silence context.CancelFunc) {
		ctx, cancel := context.WithCancel(t.Context())
		ws, _, err := o.dial(t.Context(), agents.ACS)
		g.Expect(err).NotTo(HaveOccurred())
		go func() { ended <- o.work(ctx, ws, &told) }()
		g.Eventually(func() []string { return connected(s) }).Should(ContainElement(o.arn))
		return cancel
	}
	silence := connect()
	g.Expect(*describedInstance(t, g, s, o.arn).VersionInfo.AgentVersion).To(Equal("1.99.0"))
	g.Expect(*describedInstance(t, g, s, o.arn).VersionInfo.DockerVersion).To(Equal("DockerVersion: 26.1.0"))
	task := *run().Tasks[0].TaskArn
	status := func(g Gomega) string { return statusOf(describedTask(t, g, s, task)) }
	g.Eventually(status).Should(Equal("RUNNING RUNNING"))
	stopTask(t, g, s, task)
	g.Eventually(status).Should(Equal("STOPPED STOPPED"))
	g.Expect(told.Load()).To(Equal(int32(2)))

	for n, a := range addresses {
		g.Expect(create(s, deny(int32(80+n), a))).To(Succeed())
	}
	g.Eventually(func() []string { return connected(s) }).ShouldNot(ContainElement(o.arn))
	g.Expect(run().Failures).To(isAGENT)
	silence() // as an agent's own timer does
	g.Expect(<-ended).To(HaveOccurred())
	_, _, err = o.dial(t.Context(), agents.ACS)
	g.Expect(err).To(HaveOccurred(), "no address answers")

	for n := range addresses {
		g.Expect(s.Region().DeleteNetworkACLEntry(dedicatedACL, 80+n, true)).To(Succeed())
	}
	defer connect()()
	_, err = o.ecs.DeregisterContainerInstance(t.Context(), &ecs.DeregisterContainerInstanceInput{Cluster: aws.String("demo"), ContainerInstance: aws.String(o.arn)})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(<-ended).To(HaveOccurred(), "its session ends with it")
	g.Expect(o.refusal(agents.ACS)).To(Equal("InactiveInstanceException"), "by which a real agent knows that it is deregistered")
}

// A machine outside of AWS tells no address, and has sessions whatever the network ACLs say.
func TestOutsideAgentOfExternalMachine(t *testing.T) {
	s, g := withAgents(t, func(o *Options) { o.AgentListen = "127.0.0.1:0" })
	for n, a := range addresses {
		g.Expect(create(s, deny(int32(80+n), a))).To(Succeed())
	}
	o := newOutsider(t, g, s, s.World().Keys()[0].ID)
	o.register(func(in *ecs.RegisterContainerInstanceInput) {
		in.InstanceIdentityDocument, in.Attributes = nil, append(in.Attributes, types.Attribute{Name: aws.String("ecs.capability.external")})
	})
	for _, kind := range []agents.Kind{agents.ACS, agents.TCS} {
		ws, _, err := o.dial(t.Context(), kind)
		g.Expect(err).NotTo(HaveOccurred(), "%s", kind)
		defer func() { g.Expect(ws.CloseNow()).To(Succeed()) }()
	}
	g.Eventually(func() []string { return connected(s) }).Should(ContainElement(o.arn))
}

// Clients verify the certificate by host, and the real agent's sessions by host:port.
func TestOutsideCertificate(t *testing.T) {
	for listener, names := range map[string][]string{
		"127.0.0.1:8443": {"127.0.0.1", "127.0.0.1:8443", "localhost", "localhost:8443"},
		"127.9.9.9:8443": {"127.9.9.9", "127.9.9.9:8443", "127.0.0.1:8443"}, // no interface has it, and yet it can be listened on
		"[::]:8443":      {"127.0.0.1:8443", "localhost:8443"},
	} {
		t.Run(listener, func(t *testing.T) {
			g := NewWithT(t)
			c, err := selfSigned(listener)
			g.Expect(err).NotTo(HaveOccurred())
			parsed, err := x509.ParseCertificate(c.tls.Certificate[0])
			g.Expect(err).NotTo(HaveOccurred())
			for _, name := range names {
				g.Expect(parsed.VerifyHostname(name)).To(Succeed(), name)
			}
			g.Expect(parsed.VerifyHostname("127.0.0.1:8444")).NotTo(Succeed())
		})
	}
}

// Nothing of a session outlives the simulator.
func TestCloseEndsOutsideSessions(t *testing.T) {
	before := gleak.Goroutines()
	s, g := withAgents(t, func(o *Options) { o.AgentListen = "127.0.0.1:0" })
	o := newOutsider(t, g, s, s.World().Keys()[0].ID)
	o.register()
	ws, _, err := o.dial(t.Context(), agents.ACS)
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(func() []string { return connected(s) }).Should(ContainElement(o.arn))
	s.Close()
	for err == nil { // heartbeats that were under way
		_, _, err = ws.Read(t.Context())
	}
	g.Expect(ws.CloseNow()).To(Succeed())
	o.http.CloseIdleConnections()
	o.sessions.CloseIdleConnections()
	g.Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before))
}

func TestOutsideAgentsNeedAgents(t *testing.T) {
	_, err := Start(t.Context(), Options{NoAgents: true, AgentListen: "127.0.0.1:0"})
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("exclude each other")))
}

// Sessions have permissions of their own.
func TestOutsideAgentNeedsPermissions(t *testing.T) {
	s, g := withAgents(t, func(o *Options) {
		o.AgentListen, o.World = "127.0.0.1:0", world.Default()
		policy := func(statements string) []json.RawMessage {
			return []json.RawMessage{json.RawMessage(`{"Version":"2012-10-17","Statement":[` + statements + `]}`)}
		}
		calls := allow("ecs:RegisterContainerInstance", demoARN, "") + "," + allow("ecs:DiscoverPollEndpoint", "*", "") + "," + allow("ecs:TagResource", instances+"*", "")
		o.World.AccessKeys = []world.AccessKey{
			{ID: "AKIAPOLL", Secret: "x", Policies: policy(calls + "," + allow("ecs:Poll", instances+"*", inDemo))},
			{ID: "AKIATELEMETRY", Secret: "x", Policies: policy(calls + "," + allow("ecs:StartTelemetrySession", instances+"*", `"StringEquals":{"ecs:ResourceTag/team":"a"}`))},
		}
	})
	for key, kind := range map[string]agents.Kind{"AKIAPOLL": agents.ACS, "AKIATELEMETRY": agents.TCS} {
		o := newOutsider(t, g, s, key)
		o.register()
		for _, k := range []agents.Kind{agents.ACS, agents.TCS} {
			if k != kind {
				g.Expect(o.refusal(k)).To(Equal("AccessDeniedException"), "%s by %s", k, key)
				continue
			}
			ws, _, err := o.dial(t.Context(), k)
			g.Expect(err).NotTo(HaveOccurred(), "%s by %s", k, key)
			g.Expect(ws.CloseNow()).To(Succeed())
		}
	}
	o := newOutsider(t, g, s, "AKIAPOLL")
	o.register()
	o.key = "AKIANOBODY"
	g.Expect(o.refusal(agents.ACS)).To(Equal("UnrecognizedClientException"))
}
