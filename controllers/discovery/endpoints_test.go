// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
)

const (
	acs        = v1alpha1.EndpointACS
	tcs        = v1alpha1.EndpointTCS
	additional = v1alpha1.EndpointAdditional
)

func TestParseEndpoint(t *testing.T) {
	long := strings.Repeat("a", 63) + "."
	for name, tc := range map[string]struct {
		endpoint string
		// want is the host; empty: refused is what the error says.
		want, refused string
	}{
		"the public path":        {endpoint: "https://ecs-a-4.ap-northeast-1.amazonaws.com/", want: "ecs-a-4.ap-northeast-1.amazonaws.com"},
		"without a slash":        {endpoint: "https://ecs-t-4.ap-northeast-1.amazonaws.com", want: "ecs-t-4.ap-northeast-1.amazonaws.com"},
		"PrivateLink's path":     {endpoint: "https://ecs-a.ap-northeast-1.amazonaws.com/acs/1/", want: "ecs-a.ap-northeast-1.amazonaws.com"},
		"China":                  {endpoint: "https://ecs-a-1.cn-north-1.amazonaws.com.cn/", want: "ecs-a-1.cn-north-1.amazonaws.com.cn"},
		"an endpoint's own name": {endpoint: "https://vpce-0a1b-c2d3.ecs-agent.eu-west-1.vpce.amazonaws.com/", want: "vpce-0a1b-c2d3.ecs-agent.eu-west-1.vpce.amazonaws.com"},
		"http":                   {endpoint: "http://ecs-a-1.us-east-1.amazonaws.com/", want: "ecs-a-1.us-east-1.amazonaws.com"},
		"a port":                 {endpoint: "https://ecs-a-1.us-east-1.amazonaws.com:8443/", want: "ecs-a-1.us-east-1.amazonaws.com"},
		"a query":                {endpoint: "https://ecs-a-1.us-east-1.amazonaws.com/ws?x=https://else.example/", want: "ecs-a-1.us-east-1.amazonaws.com"},
		"a user, which is no host": {
			endpoint: "https://else.example@ecs-a-1.us-east-1.amazonaws.com/", want: "ecs-a-1.us-east-1.amazonaws.com",
		},
		"upper case":            {endpoint: "HTTPS://ECS-A-1.US-EAST-1.AMAZONAWS.COM/", want: "ecs-a-1.us-east-1.amazonaws.com"},
		"a dot at the end":      {endpoint: "https://ecs-a-1.us-east-1.amazonaws.com./", want: "ecs-a-1.us-east-1.amazonaws.com"},
		"the longest label":     {endpoint: "https://" + long + "example/", want: long + "example"},
		"nothing":               {endpoint: "", refused: "it is empty"},
		"a bare name":           {endpoint: "ecs-a-1.us-east-1.amazonaws.com", refused: "it is not an http or https URL"},
		"a name and a port":     {endpoint: "ecs-a-1.us-east-1.amazonaws.com:443", refused: "it is not"},
		"another scheme":        {endpoint: "wss://ecs-a-1.us-east-1.amazonaws.com/", refused: "it is not an http or https URL"},
		"no host":               {endpoint: "https:///acs/1/", refused: "its host is not a fully qualified name"},
		"only a port":           {endpoint: "https://:443/", refused: "its host is not a fully qualified name"},
		"an IPv4 address":       {endpoint: "https://10.1.2.3/", refused: "its host is an address, not a name"},
		"an IPv6 address":       {endpoint: "https://[2001:db8::1]:443/", refused: "its host is an address"},
		"a zoned address":       {endpoint: "https://[fe80::1%25eth0]/", refused: "its host is an address"},
		"a number too large":    {endpoint: "https://10.1.2.300/", refused: "its host is not a fully qualified name"},
		"an address cut short":  {endpoint: "https://10.1.2/", refused: "its host is not a fully qualified name"},
		"an address with zeros": {endpoint: "https://010.001.002.003/", refused: "its host is not a fully qualified name"},
		"localhost":             {endpoint: "https://localhost/", refused: "its host is not a fully qualified name"},
		"a label with a hyphen": {endpoint: "https://-ecs.example.com/", refused: "its host is not a fully qualified name"},
		"an empty label":        {endpoint: "https://ecs..example.com/", refused: "its host is not a fully qualified name"},
		"two dots at the end":   {endpoint: "https://ecs.example.com../", refused: "its host is not a fully qualified name"},
		"a label too long":      {endpoint: "https://a" + long + "example/", refused: "its host is not a fully qualified name"},
		"a name too long":       {endpoint: "https://" + strings.Repeat(long, 4) + "example/", refused: "its host is not a fully qualified name"},
		"an underscore":         {endpoint: "https://ecs_a.example.com/", refused: "its host is not a fully qualified name"},
		"letters of no host":    {endpoint: "https://ecs-ä.example.com/", refused: "its host is not a fully qualified name"},
		"a space":               {endpoint: "https://ecs a.example.com/", refused: "it is not a URL"},
		"a line break":          {endpoint: "https://ecs-a.example.com/\n", refused: "it is not a URL"},
		"a broken escape":       {endpoint: "https://ecs-a.example.com%zz/", refused: "it is not a URL"},
		"the ECS API itself":    {endpoint: "https://ecs.us-east-1.amazonaws.com/", refused: "that is the ECS API itself"},
		"text":                  {endpoint: "none", refused: "it is not an http or https URL"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			host, err := discovery.ParseEndpoint(acs, tc.endpoint)
			if tc.refused == "" {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(host).To(Equal(discovery.Host{Hostname: tc.want, Session: acs}))
				return
			}
			var invalid *discovery.InvalidEndpointError
			g.Expect(errors.As(err, &invalid)).To(BeTrue(), "%v, %v", host, err)
			g.Expect(invalid.Reason).To(ContainSubstring(tc.refused))
			g.Expect(err).To(MatchError(HavePrefix("ECS named ")))
			g.Expect(err).To(MatchError(ContainSubstring("as ACS endpoint: ")))
			g.Expect(host).To(BeZero())
		})
	}
}

func TestTheErrorOfAnEndpointIsBounded(t *testing.T) {
	_, err := discovery.ParseEndpoint(tcs, "ftp://"+strings.Repeat("x", 5000))
	NewWithT(t).Expect(len(err.Error())).To(BeNumerically("<", 300))
}

// Whatever ECS says, a host is one that DNS can be asked for, and the one that a client of the URL would connect to.
func FuzzParseEndpoint(f *testing.F) {
	for _, seed := range []string{
		"", "https://ecs-a-4.ap-northeast-1.amazonaws.com/", "https://ecs-a.eu-west-1.amazonaws.com/acs/1/", "https://10.1.2.3/",
		"https://[::1]:443/", "https://user@host.example:1/", "http://a.b.", "https://1.2.3/", "//a.b/", "https://ſ.example/", "https://a.b%2ec/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, endpoint string) {
		g := NewWithT(t)
		host, err := discovery.ParseEndpoint(acs, endpoint)
		if err != nil {
			var invalid *discovery.InvalidEndpointError
			g.Expect(errors.As(err, &invalid)).To(BeTrue(), "%v", err)
			g.Expect(len(err.Error())).To(BeNumerically("<", 1000))
			return
		}
		name := host.Hostname
		g.Expect(len(name)).To(And(BeNumerically(">", 0), BeNumerically("<=", 253)))
		g.Expect(name).To(MatchRegexp(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`), "as the API has host names")
		_, isAddress := netip.ParseAddr(name)
		g.Expect(isAddress).To(HaveOccurred(), "an address needs no lookup")
		u, err := url.Parse(endpoint)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(strings.EqualFold(strings.TrimSuffix(u.Hostname(), "."), name)).To(BeTrue(), "%q of %q", name, endpoint)
		again, err := discovery.ParseEndpoint(acs, "https://"+name+"/")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(again).To(Equal(host))
	})
}

func TestUnionHasEveryHostOnceInOrder(t *testing.T) {
	host := func(session v1alpha1.EndpointSession, name string) discovery.Host {
		return discovery.Host{Hostname: name, Session: session}
	}
	a1, a2, t1 := host(acs, "ecs-a-1.example"), host(acs, "ecs-a-2.example"), host(tcs, "ecs-t-1.example")
	x1 := host(additional, "ecs-a-1.example")
	g := NewWithT(t)
	g.Expect(discovery.Union(nil)).To(BeEmpty())
	more := []discovery.Host{x1, t1}
	g.Expect(discovery.Union(map[string][]discovery.Host{"one": {a2, t1}, "two": {a1, t1}, "three": {a2, t1}}, more...)).
		To(Equal([]discovery.Host{a1, a2, x1, t1}), "the same name for another session is another host")
	g.Expect(more).To(Equal([]discovery.Host{x1, t1}), "what was handed over stays as it was")
}
