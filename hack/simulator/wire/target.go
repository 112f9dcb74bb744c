// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/ec2"
)

// target is which action of which service a request is for.
type target struct {
	service, action, version string
	dialect                  dialect
	form                     url.Values
	body                     []byte
	params                   map[string]any
}

// jsonServices are the prefixes of X-Amz-Target. The AWS CLI writes CloudTrail's with its Java package.
var jsonServices = map[string]string{
	"AmazonEC2ContainerServiceV20141113":                     "ecs",
	"CloudTrail_20131101":                                    "cloudtrail",
	"com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101": "cloudtrail",
	"ServiceQuotasV20190624":                                 "servicequotas",
}

// readTarget finds out what a request asks for. scope is the service that it was signed for.
func readTarget(r *http.Request, body []byte, scope string) (target, *region.Error) {
	if header := r.Header.Get("X-Amz-Target"); header != "" {
		dot := strings.LastIndexByte(header, '.')
		t := target{service: scope, action: header[dot+1:], dialect: jsonDialect{}, body: body}
		if dot >= 0 && jsonServices[header[:dot]] != "" {
			t.service = jsonServices[header[:dot]]
			t.dialect = jsonDialect{service: t.service}
		}
		if len(body) > 0 && json.Unmarshal(body, &t.params) != nil {
			return t, region.Errorf("SerializationException", "The request body is not a JSON object.")
		}
		return t, nil
	}
	if r.Header.Get("Smithy-Protocol") == rpcProtocol {
		return readRPC(r, body)
	}
	if routes[scope] != nil {
		return readREST(r, scope, body)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		form = url.Values{}
	}
	maps.Copy(form, r.URL.Query())
	t := target{service: scope, action: form.Get("Action"), version: form.Get("Version"), form: form, dialect: queryDialect{}, params: map[string]any{}}
	switch {
	case scope == "ec2" || scope == "" && t.version == ec2.Version:
		t.service, t.dialect = "ec2", ec2Dialect{}
	case scope == "":
		t.service = "sts"
	}
	for k, v := range form {
		if k != "Action" && k != "Version" && !strings.HasPrefix(k, "X-Amz-") {
			t.params[k] = v[0]
		}
	}
	if t.action == "" && scope != "" && scope != "ec2" && scope != "sts" {
		// A service with a path for each operation: this path is none of them.
		t.dialect = jsonDialect{}
		unknown := t.dialect.unknownAction("", "")
		unknown.HTTPStatus = http.StatusNotFound
		return t, unknown
	}
	if t.action == "" {
		return t, region.Errorf("MissingAction", "The request must contain the parameter Action")
	}
	return t, nil
}
