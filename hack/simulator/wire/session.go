// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"net/http"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/iam"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// The permissions for sessions with ACS and TCS. There are no API actions of these names.
const (
	Poll                  = "Poll"
	StartTelemetrySession = "StartTelemetrySession"
)

// ForAgents answers calls as ServeHTTP does, for agents that run outside of the simulator: to them DiscoverPollEndpoint names
// the host that they called, for both sessions.
func (s *Server) ForAgents() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, "https://"+r.Host) })
}

// AdmitSession decides whether the caller may have a session as a container instance, by Poll or StartTelemetrySession.
func (s *Server) AdmitSession(r *http.Request, action string, i region.ContainerInstance) *region.Error {
	sc, signed, refusal := readScope(r)
	id, known := s.identities.get(sc.accessKey)
	d, c := jsonDialect{}, call.Call{Service: "ecs", Action: action, AccessKey: sc.accessKey, Region: sc.region}
	switch {
	case !signed:
		return d.noCredentials()
	case refusal != nil:
		return refusal
	case !known:
		return d.unknownKey()
	case s.o.Faults.Denies(c) || !allowed(id, c):
		return d.denied(c, id.ARN, i.ARN)
	case len(id.Policies) == 0:
		return nil
	}
	keys := iam.Keys{}.With("ecs:cluster", i.ClusterARN).With("aws:RequestedRegion", s.o.Region.Name())
	for key, value := range i.Tags {
		keys = keys.With("aws:ResourceTag/"+key, value).With("ecs:ResourceTag/"+key, value)
	}
	if iam.Decide(id.Policies, iam.Request{Action: c.Name(), Resource: i.ARN, Keys: keys}) != iam.Allow {
		return d.denied(c, id.ARN, i.ARN)
	}
	return nil
}
