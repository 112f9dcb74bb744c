// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/fabric"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire"
)

// Agents that run outside of the simulator have an endpoint of their own: the APIs, and ACS and TCS, with TLS. What they send to
// ACS and TCS goes on from their container instance's place in its subnet, so it passes the network ACLs.

// outsideDial is how long an address of ACS or TCS is tried, before scaling: as long as the agent itself would wait.
const outsideDial = 30 * time.Second

// startAgentEndpoint listens for agents that run outside.
func (s *Simulator) startAgentEndpoint(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.o.AgentListen)
	if err != nil {
		return err
	}
	// After listening, which chooses the port of an address with port 0.
	if s.certificate, err = selfSigned(listener.Addr().String()); err != nil {
		return errors.Join(err, listener.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("/", s.api.ForAgents())
	mux.Handle("GET /acs/1/ws", s.relay(agents.ACS, "containerInstanceArn", wire.Poll))
	mux.Handle("GET /tcs/1/ws", s.relay(agents.TCS, "containerInstance", wire.StartTelemetrySession))
	server := &http.Server{
		Handler: mux, TLSConfig: s.certificate.config(), ReadHeaderTimeout: 10 * time.Second,
		Protocols: &http.Protocols{}, // no HTTP/2: a session takes its whole connection
	}
	server.Protocols.SetHTTP1(true)
	s.agentURL = "https://" + listener.Addr().String()
	s.wg.Go(func() { _ = server.ServeTLS(listener, "", "") })
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return nil
}

// AgentURL is the endpoint for agents that run outside of the simulator; empty: there is none.
func (s *Simulator) AgentURL() string { return s.agentURL }

// AgentCertificate is the certificate of AgentURL, in PEM, for clients to trust.
func (s *Simulator) AgentCertificate() []byte { return s.certificate.pem }

// relay carries the sessions of agents that run outside.
func (s *Simulator) relay(kind agents.Kind, parameter, permission string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		i, ok := s.region.ContainerInstance(q.Get(parameter))
		if !ok || !i.Outside {
			refuse(w, region.Errorf("InactiveInstanceException", "The container instance %q is not registered.", q.Get(parameter)))
			return
		}
		if refusal := s.api.AdmitSession(r, permission, i); refusal != nil {
			refuse(w, refusal)
			return
		}
		s.region.SetAgentVersion(i.ARN, q.Get("agentVersion"), q.Get("agentHash"), strings.TrimPrefix(q.Get("dockerVersion"), "DockerVersion: "))
		ctx, end := context.WithCancel(r.Context())
		defer end()
		defer context.AfterFunc(s.ctx, end)()
		go func() {
			defer end()
			s.untilDeregistered(ctx, i.ARN)
		}()
		s.proxy(i, kind).ServeHTTP(w, r.WithContext(ctx))
	})
}

// refuse answers as ACS and TCS do: the agent reads the type.
func refuse(w http.ResponseWriter, e *region.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.HTTPStatus)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": e.Code, "message": map[string]string{"message": e.Message}}) // the agent may have gone
}

func (s *Simulator) untilDeregistered(ctx context.Context, arn string) {
	for {
		changed := s.region.Changed()
		if _, ok := s.region.ContainerInstance(arn); !ok {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// proxy connects to ACS or TCS from where a container instance is.
func (s *Simulator) proxy(i region.ContainerInstance, kind agents.Kind) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host, p.Out.URL.Path = "http", string(kind), "/ws"
		},
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return s.dialFrom(ctx, i, kind)
			},
		},
		// Packets that vanish bring no answer.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
}

// dialFrom looks ACS or TCS up as a container instance does, and tries the IPv4 addresses in turn.
func (s *Simulator) dialFrom(ctx context.Context, i region.ContainerInstance, kind agents.Kind) (net.Conn, error) {
	v := s.region.View(time.Time{})
	sub, _ := v.Subnet(i.SubnetID)
	acs, tcs, _, err := v.DiscoverPollEndpoint(i.ClusterARN, i.ARN, sub.VPCID)
	if err != nil {
		return nil, err
	}
	endpoint, err := url.Parse(map[agents.Kind]string{agents.ACS: acs, agents.TCS: tcs}[kind])
	if err != nil {
		return nil, err
	}
	addresses, err := s.resolve(ctx, i.SubnetID, endpoint.Hostname())
	if err != nil {
		return nil, err
	}
	share := time.Duration(float64(outsideDial) / s.o.Scale / float64(len(addresses)))
	err = fmt.Errorf("%s has no IPv4 address", endpoint.Hostname())
	for _, a := range addresses {
		if !a.Unmap().Is4() {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, share)
		var conn net.Conn
		conn, err = s.fabric.Dial(limited, fabric.Host{SubnetID: i.SubnetID, IP: i.PrivateIP}, netip.AddrPortFrom(a, controlPlanePort))
		cancel()
		if err == nil {
			return conn, nil
		}
	}
	return nil, err
}
