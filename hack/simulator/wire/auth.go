// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"cmp"
	"net/http"
	"path"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/iam"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// scope is the credential scope of a signature: AKIA…/20260102/ap-northeast-1/ec2/aws4_request.
type scope struct{ accessKey, region, service string }

// readScope reads the scope from the header or, for presigned requests, the query. ok is false without a signature, the
// error is for one that isn't of version 4.
func readScope(r *http.Request) (s scope, ok bool, err *region.Error) {
	header := r.Header.Get("Authorization")
	credential := r.URL.Query().Get("X-Amz-Credential")
	if header == "" && credential == "" {
		return s, false, nil
	}
	if header != "" {
		for _, part := range strings.FieldsFunc(strings.TrimPrefix(header, "AWS4-HMAC-SHA256 "), func(c rune) bool { return c == ',' || c == ' ' }) {
			if v, ok := strings.CutPrefix(part, "Credential="); ok {
				credential = v
			}
		}
		if !strings.HasPrefix(header, "AWS4-HMAC-SHA256 ") || !strings.Contains(header, "Signature=") || !strings.Contains(header, "SignedHeaders=") {
			credential = ""
		}
	}
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || parts[4] != "aws4_request" {
		return s, true, region.Errorf("IncompleteSignature", "The request signature does not conform to AWS standards.")
	}
	return scope{parts[0], parts[2], parts[3]}, true, nil
}

// token is the session token of a request, which a presigned one has in its query.
func token(r *http.Request) string {
	return cmp.Or(r.Header.Get("X-Amz-Security-Token"), r.URL.Query().Get("X-Amz-Security-Token"))
}

// authorize decides whether a call may have its effect: by the identity's patterns, by faults, and by its policies.
func (s *Server) authorize(x *exchange) *region.Error {
	d, c, id := x.t.dialect, x.req.Call, x.req.Identity
	if x.plan.Denied || !allowed(id, c) {
		return d.denied(c, id.ARN, x.effect.Resource)
	}
	for _, action := range x.effect.Also {
		also := named(c, action)
		if s.o.Faults.Denies(also) || !allowed(id, also) {
			return d.denied(also, id.ARN, x.effect.Creates)
		}
	}
	if len(id.Policies) == 0 {
		return nil
	}
	for _, r := range x.asks() {
		r.Keys = r.Keys.With("aws:RequestedRegion", x.req.Region.Name())
		if r.Absent && !s.o.DenyAbsent {
			continue // the operation says that it isn't there
		}
		if iam.Decide(id.Policies, r) != iam.Allow {
			return d.denied(named(c, r.Action), id.ARN, r.Resource)
		}
	}
	return nil
}

// asks are what IAM is asked for the call.
func (x *exchange) asks() []iam.Request {
	if x.service.Asks != nil {
		return x.service.Asks(x.req, x.effect)
	}
	all := []iam.Request{{Action: x.req.Call.Name(), Resource: cmp.Or(x.effect.Resource, "*")}}
	for _, action := range x.effect.Also {
		r := iam.Request{Action: named(x.req.Call, action).Name(), Resource: x.effect.Creates}
		if x.effect.PassedTo != "" {
			r.Keys = iam.Keys{}.With("iam:PassedToService", x.effect.PassedTo)
		}
		all = append(all, r)
	}
	return all
}

// named is a call as one of another action, which is written with its service where that is another too.
func named(c call.Call, action string) call.Call {
	c.Action = action
	if service, name, ok := strings.Cut(action, ":"); ok {
		c.Service, c.Action = service, name
	}
	return c
}

// allowed decides by the identity's patterns: deny wins, what nothing allows is denied.
func allowed(id operation.Identity, c call.Call) bool {
	return !matchesAny(id.Deny, c.Name()) && matchesAny(id.Allow, c.Name())
}

func matchesAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return false
}
