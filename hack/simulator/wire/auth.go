// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"net/http"
	"path"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
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

// permitted decides whether a call may have its effect.
func permitted(req *operation.Request, e operation.Effect) bool {
	tag := req.Identity.RequireTag
	return allowed(req.Identity, req.Call) && (tag == "" || !lacking(req.Region, e, tag))
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
