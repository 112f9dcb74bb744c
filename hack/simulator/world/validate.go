// SPDX-License-Identifier: Apache-2.0

package world

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/iam"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

var (
	accountPattern  = regexp.MustCompile(`^[0-9]{12}$`)
	regionPattern   = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
	clusterPattern  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,254}$`)
	instancePattern = regexp.MustCompile(`^[0-9a-f]{32}$`)
	rolePattern     = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$`)
	groupPattern    = regexp.MustCompile(`^[0-9a-zA-Z-_.]{1,64}$`)
	managedPattern  = regexp.MustCompile(`^mi-[0-9a-f]{17}$`)
	ec2IDPattern    = regexp.MustCompile(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`)
)

// checker collects mistakes and knows the ids that were seen.
type checker struct {
	errs []error
	seen map[string]string
}

func (c *checker) add(at, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...)))
}

// unique refuses an id that was there before.
func (c *checker) unique(at, kind, id string) {
	if first, ok := c.seen[kind+"/"+id]; ok {
		c.add(at, "%s %q is at %s already; give one of them another", kind, id, first)
		return
	}
	c.seen[kind+"/"+id] = at
}

// known refuses a reference to what isn't there.
func (c *checker) known(at, kind, id, section string) bool {
	if _, ok := c.seen[kind+"/"+id]; ok {
		return true
	}
	c.add(at, "there is no %s %q; add it under %s or name one that is there", kind, id, section)
	return false
}

func (c *checker) prefix(at, text string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		c.add(at, "%q is no CIDR block; write one like 10.0.1.0/24", text)
		return p, false
	}
	if p != p.Masked() {
		c.add(at, "%s has bits set beyond its length; write %s", text, p.Masked())
		return p, false
	}
	return p, true
}

func (c *checker) tags(at string, tags map[string]string) {
	for k := range tags {
		if strings.HasPrefix(strings.ToLower(k), "aws:") {
			c.add(at, "tag %q: keys that begin with aws: are AWS's own; take another", k)
		}
	}
	if len(tags) > region.TagsPerResource {
		c.add(at, "%d tags; AWS allows %d", len(tags), region.TagsPerResource)
	}
}

// Validate says all that is wrong with the world.
func (w *World) Validate() error {
	c := &checker{seen: map[string]string{}}
	if !accountPattern.MatchString(w.Account) {
		c.add("account", "%q is no account id; write 12 digits in quotes", w.Account)
	}
	if !regionPattern.MatchString(w.Region) {
		c.add("region", "%q is no Region; write one like ap-northeast-1", w.Region)
	}
	w.checkKeys(c)
	w.checkRoles(c)
	w.checkHosts(c)
	w.checkNetwork(c)
	w.checkECS(c)
	w.checkEndpoints(c)
	w.checkTrail(c)
	w.checkAlarms(c)
	return errors.Join(c.errs...)
}

func (w *World) checkAlarms(c *checker) {
	for i, a := range w.Alarms {
		at := fmt.Sprintf("alarms[%d]", i)
		if len(a.Name) < 1 || len(a.Name) > 255 {
			c.add(at+".name", "%q is no name of an alarm; write 1 to 255 characters", a.Name)
		}
		if a.State != "" && !slices.Contains(region.AlarmStates, a.State) {
			c.add(at+".state", "%q is no state of an alarm; write one of %s", a.State, strings.Join(region.AlarmStates, ", "))
		}
		c.unique(at+".name", "alarm", a.Name)
	}
}

func (w *World) checkKeys(c *checker) {
	for i, k := range w.AccessKeys {
		at := fmt.Sprintf("accessKeys[%d]", i)
		if k.ID == "" || strings.ContainsAny(k.ID, "/ ,") {
			c.add(at+".id", "%q is no access key id; write letters and digits", k.ID)
		}
		if k.Account != "" && !accountPattern.MatchString(k.Account) {
			c.add(at+".account", "%q is no account id; write 12 digits in quotes", k.Account)
		}
		c.unique(at+".id", "access key", k.ID)
		w.checkPrincipal(c, at, k)
		c.actions(at, slices.Concat(k.Allow, k.Deny))
		c.policies(at, k.Policies)
	}
}

func (c *checker) actions(at string, patterns []string) {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil || p != "*" && !strings.Contains(p, ":") {
			c.add(at, "%q is no pattern for actions; write one like ec2:Describe* or *", p)
		}
	}
}

func (w *World) checkRoles(c *checker) {
	for i, r := range w.Roles {
		at := fmt.Sprintf("roles[%d]", i)
		if !rolePattern.MatchString(r.ARN) {
			c.add(at+".arn", "%q is no ARN of a role; write one like arn:aws:iam::%s:role/name", r.ARN, w.Account)
		}
		c.unique(at+".arn", "role", r.ARN)
		c.actions(at, r.Allow)
		c.policies(at, r.Policies)
		if r.TrustPolicy != nil {
			if _, err := iam.ParseTrust(r.TrustPolicy); err != nil {
				c.add(at+".trustPolicy", "%v", err)
			}
		}
	}
	for i, name := range w.ScheduleGroups {
		at := fmt.Sprintf("scheduleGroups[%d]", i)
		if !groupPattern.MatchString(name) || name == region.DefaultScheduleGroup {
			c.add(at, "%q; write 1 to 64 letters, digits and -_., but not the group default, which is there anyway", name)
		}
		c.unique(at, "schedule group", name)
	}
}

func (w *World) checkHosts(c *checker) {
	for i, h := range w.Hosts {
		at := fmt.Sprintf("hosts[%d]", i)
		c.unique(at+".name", "host", h.Name)
		if h.Session != "ACS" && h.Session != "TCS" {
			c.add(at+".session", "%q; write ACS or TCS", h.Session)
		}
		for j, a := range h.Addresses {
			if _, err := netip.ParseAddr(a); err != nil {
				c.add(fmt.Sprintf("%s.addresses[%d]", at, j), "%q is no IP address", a)
			}
			c.unique(fmt.Sprintf("%s.addresses[%d]", at, j), "address", a)
		}
	}
	if w.DNSTTL != "" {
		if d, err := time.ParseDuration(w.DNSTTL); err != nil || d < time.Second || d != d.Truncate(time.Second) {
			c.add("dnsTTL", "%q is no duration in whole seconds; write one like 60s", w.DNSTTL)
		}
	}
	c.endpoint("endpoints.acs", w.Endpoints.ACS)
	c.endpoint("endpoints.tcs", w.Endpoints.TCS)
	c.endpoint("endpoints.serviceConnect", w.Endpoints.ServiceConnect)
}

// endpoint takes any host: one that isn't under hosts is one that doesn't resolve.
func (c *checker) endpoint(at, text string) {
	if text == "" {
		return
	}
	if u, err := url.Parse(text); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		c.add(at, "%q is no URL; write one like https://ecs-a-1.ap-northeast-1.amazonaws.com/", text)
	}
}
