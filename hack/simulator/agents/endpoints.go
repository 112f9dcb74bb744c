// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"
)

// endpoints is the agent's cache of DiscoverPollEndpoint's answer.
type endpoints struct {
	discover func(ctx context.Context) (Endpoints, error)
	ttl      time.Duration
	// containerInstance is for the log.
	containerInstance string
	log               *journal

	mu      sync.Mutex
	answer  *Endpoints
	expires time.Time
}

// get gives a session's endpoint. An answer that has expired is better than none.
func (e *endpoints) get(ctx context.Context, k Kind) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.answer != nil && time.Now().Before(e.expires):
		e.log.info("Using cached DiscoverPollEndpoint", "endpoint", e.answer.ACS, "telemetryEndpoint", e.answer.TCS,
			"containerInstanceARN", e.containerInstance)
	default:
		answer, err := e.discover(ctx)
		if err != nil && e.answer == nil {
			return "", err
		}
		if err != nil {
			e.log.info("Error calling DiscoverPollEndpoint. Using cached-but-expired endpoint as a fallback.",
				"endpoint", e.answer.ACS, "telemetryEndpoint", e.answer.TCS, "containerInstanceARN", e.containerInstance)
			break
		}
		e.answer, e.expires = &answer, time.Now().Add(e.ttl)
	}
	if k == ACS {
		return e.answer.ACS, nil
	}
	return e.answer.TCS, nil
}

// The agent that is simulated, as it names itself to the servers.
const (
	agentVersion    = "1.105.1"
	agentHash       = "8dfceca6"
	dockerVersion   = "25.0.14"
	protocolVersion = "2"
)

// target is where a session goes, taken from the endpoint as it came: its host, port and path are never made up.
type target struct {
	host, port string
	// url is for the log, in the endpoint's own scheme.
	url string
	// plain is what is dialled. TLS is left out of the simulation: a network ACL doesn't see it.
	plain string
}

func parseTarget(endpoint string, query url.Values) (target, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return target{}, err
	}
	port := u.Port()
	switch u.Scheme {
	case "https", "wss":
		port = defaultTo(port, "443")
	case "http", "ws":
		port = defaultTo(port, "80")
	default:
		return target{}, fmt.Errorf("wsclient: unknown scheme %s", u.Scheme)
	}
	if u.Hostname() == "" {
		return target{}, fmt.Errorf("wsclient: no host in %q", endpoint)
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + "/ws"
	u.RawQuery = query.Encode()
	t := target{host: u.Hostname(), port: port, url: u.String()}
	u.Scheme = "ws"
	t.plain = u.String()
	return t, nil
}

func defaultTo(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// query is what a session tells its server about the agent.
func (o *Options) query(k Kind, sendCredentials bool) url.Values {
	q := url.Values{"agentHash": {agentHash}, "agentVersion": {agentVersion}}
	if k == TCS {
		q.Set("cluster", o.Cluster)
		q.Set("containerInstance", o.ContainerInstanceARN)
		q.Set("dockerVersion", dockerVersion)
		return q
	}
	q.Set("clusterArn", o.Cluster)
	q.Set("containerInstanceArn", o.ContainerInstanceARN)
	q.Set("seqNum", "1")
	q.Set("dockerVersion", "DockerVersion: "+dockerVersion)
	q.Set("protocolVersion", protocolVersion)
	q.Set("sendCredentials", fmt.Sprint(sendCredentials))
	return q
}
