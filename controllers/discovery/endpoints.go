// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"golang.org/x/sync/errgroup"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// Host is a host that agents connect to, and the session that it serves.
type Host struct {
	// Hostname is in lower case, without a dot at its end.
	Hostname string
	Session  v1alpha1.EndpointSession
}

// InvalidEndpointError says that ECS named an endpoint that no host can be taken from.
type InvalidEndpointError struct {
	Session  v1alpha1.EndpointSession
	Endpoint string
	Reason   string
}

// Error implements error.
func (e *InvalidEndpointError) Error() string {
	return fmt.Sprintf("ECS named %q as %s endpoint: %s", aws.Truncate(e.Endpoint, 100), e.Session, e.Reason)
}

// PollEndpoints asks ecs:DiscoverPollEndpoint for every container instance, since nothing says that
// all of a cluster's agents get the same answer, and gives each instance's hosts. Beside an error
// it gives those that were answered with what the sessions need (none: both), so that a large
// cluster gets on while AWS throttles, and one instance holds up no other.
func PollEndpoints(ctx context.Context, client aws.ECS, cluster string, sessions []v1alpha1.Session, arns []string) (map[string][]Host, error) {
	answers := make([]*ecs.DiscoverPollEndpointOutput, len(arns))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, arn := range arns {
		group.Go(func() (err error) {
			answers[i], err = client.DiscoverPollEndpoint(ctx, &ecs.DiscoverPollEndpointInput{
				Cluster: awssdk.String(cluster), ContainerInstance: awssdk.String(arn),
			})
			return err
		})
	}

	unanswered := group.Wait()
	// Parsed in their order, so that of several endpoints that can't be used the same one is named
	// every time.
	hosts := make(map[string][]Host, len(arns))
	var unusable error
	for i, arn := range arns {
		if answers[i] == nil {
			continue
		}
		named, err := parseAnswer(answers[i], sessions)
		if err != nil {
			unusable = cmp.Or(unusable, err)
			continue
		}
		hosts[arn] = named
	}
	return hosts, cmp.Or(unusable, unanswered)
}

// parseAnswer gives the hosts that an answer names. The error is about an endpoint that the
// sessions need (none: both): where both are denied, an agent to which ECS names no TCS endpoint
// has its ACS session alone, and that is denied.
func parseAnswer(answer *ecs.DiscoverPollEndpointOutput, sessions []v1alpha1.Session) ([]Host, error) {
	var hosts []Host
	acs, errACS := ParseEndpoint(v1alpha1.EndpointACS, awssdk.ToString(answer.Endpoint))
	tcs, errTCS := ParseEndpoint(v1alpha1.EndpointTCS, awssdk.ToString(answer.TelemetryEndpoint))
	needsACS := len(sessions) == 0 || slices.Contains(sessions, v1alpha1.SessionACS)
	needsTCS := len(sessions) == 0 || slices.Contains(sessions, v1alpha1.SessionTCS)

	switch {
	case errACS == nil:
		hosts = append(hosts, acs)
	case needsACS:
		return nil, errACS
	}

	hasNoTCS := awssdk.ToString(answer.TelemetryEndpoint) == ""
	switch {
	case errTCS == nil:
		hosts = append(hosts, tcs)
	case needsTCS && !(needsACS && hasNoTCS):
		return nil, errTCS
	}
	return hosts, nil
}

// ParseEndpoint takes the host out of an endpoint as ECS names it: an http or https URL, with or
// without a path. An *InvalidEndpointError says why there is none.
func ParseEndpoint(session v1alpha1.EndpointSession, endpoint string) (Host, error) {
	invalid := func(reason string) (Host, error) {
		return Host{}, &InvalidEndpointError{Session: session, Endpoint: endpoint, Reason: reason}
	}

	u, err := url.Parse(endpoint)
	switch {
	case endpoint == "":
		return invalid("it is empty")
	case err != nil:
		return invalid("it is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return invalid("it is not an http or https URL")
	}

	hostname := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if _, err := netip.ParseAddr(hostname); err == nil {
		return invalid("its host is an address, not a name")
	}

	if !isHostname(hostname) {
		return invalid("its host is not a fully qualified name")
	}

	if strings.HasPrefix(hostname, "ecs.") || strings.HasPrefix(hostname, "ecs-fips.") {
		return invalid("that is the ECS API itself, which the callers under test need")
	}
	return Host{Hostname: hostname, Session: session}, nil
}

// isHostname reports whether a name is a fully qualified host name as the DNS has them: dots
// between labels of letters, digits and hyphens. The last one begins with a letter, which tells
// names from addresses that are written oddly.
func isHostname(name string) bool {
	labels := strings.Split(name, ".")
	if len(name) > 253 || len(labels) < 2 {
		return false
	}

	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" ||
			label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}

	top := labels[len(labels)-1]
	return top[0] < '0' || top[0] > '9'
}

// Union gives every host once, ordered by session and name.
func Union(perInstance map[string][]Host, more ...Host) []Host {
	hosts := slices.Clone(more)
	for _, of := range perInstance {
		hosts = append(hosts, of...)
	}
	slices.SortFunc(hosts, func(a, b Host) int {
		return cmp.Or(cmp.Compare(a.Session, b.Session), cmp.Compare(a.Hostname, b.Hostname))
	})
	return slices.Compact(hosts)
}
