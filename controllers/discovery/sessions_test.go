// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"errors"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

func TestPollEndpointsNeedsTheEndpointsOfTheSessionsAlone(t *testing.T) {
	const (
		acsURL, tcsURL = "https://ecs-a-4.ap-northeast-1.amazonaws.com/", "https://ecs-t-4.ap-northeast-1.amazonaws.com/"
		unusable       = "https://10.1.2.3/"
	)
	both := []v1alpha1.Session{v1alpha1.SessionACS, v1alpha1.SessionTCS}
	onlyACS, onlyTCS := both[:1], both[1:]
	for name, tc := range map[string]struct {
		endpoints world.Endpoints
		sessions  []v1alpha1.Session
		// hosts are the sessions of the hosts that are found; blamed is the one whose endpoint is missing or unusable.
		hosts  []v1alpha1.EndpointSession
		blamed v1alpha1.EndpointSession
	}{
		"both":                       {world.Endpoints{ACS: acsURL, TCS: tcsURL}, both, []v1alpha1.EndpointSession{acs, tcs}, ""},
		"no TCS, ACS is denied":      {world.Endpoints{ACS: acsURL}, onlyACS, []v1alpha1.EndpointSession{acs}, ""},
		"bad TCS, ACS is denied":     {world.Endpoints{ACS: acsURL, TCS: unusable}, onlyACS, []v1alpha1.EndpointSession{acs}, ""},
		"no ACS, ACS is denied":      {world.Endpoints{TCS: tcsURL}, onlyACS, nil, acs},
		"no ACS, TCS is denied":      {world.Endpoints{TCS: tcsURL}, onlyTCS, []v1alpha1.EndpointSession{tcs}, ""},
		"bad ACS, TCS is denied":     {world.Endpoints{ACS: unusable, TCS: tcsURL}, onlyTCS, []v1alpha1.EndpointSession{tcs}, ""},
		"no TCS, TCS is denied":      {world.Endpoints{ACS: acsURL}, onlyTCS, nil, tcs},
		"no TCS, both are denied":    {world.Endpoints{ACS: acsURL}, both, []v1alpha1.EndpointSession{acs}, ""},
		"no TCS, no session named":   {world.Endpoints{ACS: acsURL}, nil, []v1alpha1.EndpointSession{acs}, ""},
		"bad TCS, both are denied":   {world.Endpoints{ACS: acsURL, TCS: unusable}, both, nil, tcs},
		"no ACS, both are denied":    {world.Endpoints{TCS: tcsURL}, both, nil, acs},
		"neither, both are denied":   {world.Endpoints{}, both, nil, acs},
		"neither, TCS is denied":     {world.Endpoints{}, onlyTCS, nil, tcs},
		"neither, no session named":  {world.Endpoints{}, nil, nil, acs},
		"bad TCS, no session named":  {world.Endpoints{ACS: acsURL, TCS: unusable}, nil, nil, tcs},
		"bad both, TCS alone denied": {world.Endpoints{ACS: unusable, TCS: unusable}, onlyTCS, nil, tcs},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, clients := simulate(t, func(w *world.World) { w.Endpoints = tc.endpoints })
			hosts, err := discovery.PollEndpoints(t.Context(), clients.ECS, clusterARN, tc.sessions, []string{first})
			if tc.blamed != "" {
				var invalid *discovery.InvalidEndpointError
				g.Expect(errors.As(err, &invalid)).To(BeTrue(), "%v", err)
				g.Expect(invalid.Session).To(Equal(tc.blamed))
				g.Expect(hosts).To(BeEmpty())
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			var found []v1alpha1.EndpointSession
			for _, host := range hosts[first] {
				found = append(found, host.Session)
			}
			g.Expect(found).To(Equal(tc.hosts))
		})
	}
}
