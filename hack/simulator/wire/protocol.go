// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/ec2"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/sts"
)

// dialect is how a service writes its answers and names the errors that all services have.
type dialect interface {
	answer(w http.ResponseWriter, action, requestID string, body any) error
	fail(w http.ResponseWriter, e *region.Error, requestID string)
	unknownAction(action, version string) *region.Error
	unknownKey() *region.Error
	noCredentials() *region.Error
	denied(c call.Call, who, resource string) *region.Error
	throttled() *region.Error
}

// ec2Dialect is EC2's flavour of the query protocol.
type ec2Dialect struct{}

func (ec2Dialect) answer(w http.ResponseWriter, action, requestID string, body any) error {
	text, err := ec2.Response(action, requestID, body)
	if err != nil {
		return err
	}
	send(w, http.StatusOK, "text/xml;charset=UTF-8", requestID, text)
	return nil
}

func (ec2Dialect) fail(w http.ResponseWriter, e *region.Error, requestID string) {
	send(w, e.HTTPStatus, "text/xml;charset=UTF-8", requestID, ec2.ErrorResponse(e, requestID))
}

func (ec2Dialect) unknownAction(action, _ string) *region.Error {
	return region.Errorf("InvalidAction", "The action %s is not valid for this web service.", action)
}

func (ec2Dialect) unknownKey() *region.Error {
	return region.Errorf("AuthFailure", "AWS was not able to validate the provided access credentials")
}

func (ec2Dialect) noCredentials() *region.Error {
	return region.Errorf("MissingAuthenticationToken", "Request must contain either a valid (registered) AWS access key ID or X.509 certificate.")
}

// denied names the resource and adds a message for sts:DecodeAuthorizationMessage, another one each time, where the
// action is about a resource.
func (ec2Dialect) denied(c call.Call, who, resource string) *region.Error {
	text := "You are not authorized to perform this operation. User: " + who + " is not authorized to perform: " + c.Name()
	if resource != "" {
		text += " on resource: " + resource
	}
	text += " because no identity-based policy allows the " + c.Name() + " action"
	if !c.ReadOnly {
		text += ". Encoded authorization failure message: " + strings.ReplaceAll(c.RequestID, "-", "") + strings.Repeat("A", 64)
	}
	return region.Errorf("UnauthorizedOperation", "%s", text)
}

func (ec2Dialect) throttled() *region.Error {
	return region.Errorf("RequestLimitExceeded", "Request limit exceeded.")
}

// queryDialect is the query protocol as STS and most others have it.
type queryDialect struct{}

func (queryDialect) answer(w http.ResponseWriter, action, requestID string, body any) error {
	text, err := sts.Response(action, requestID, body)
	if err != nil {
		return err
	}
	send(w, http.StatusOK, "text/xml", requestID, text)
	return nil
}

func (queryDialect) fail(w http.ResponseWriter, e *region.Error, requestID string) {
	send(w, e.HTTPStatus, "text/xml", requestID, sts.ErrorResponse(e, requestID))
}

func (queryDialect) unknownAction(action, version string) *region.Error {
	return region.Errorf("InvalidAction", "Could not find operation %s for version %s", action, version)
}

func (queryDialect) unknownKey() *region.Error {
	return region.Errorf("InvalidClientTokenId", "The security token included in the request is invalid")
}

func (queryDialect) noCredentials() *region.Error {
	return region.Errorf("MissingAuthenticationToken", "Request is missing Authentication Token")
}

func (queryDialect) denied(c call.Call, who, resource string) *region.Error {
	return region.Errorf("AccessDenied", "User: %s is not authorized to perform: %s%s", who, c.Name(), onResource(resource))
}

func (queryDialect) throttled() *region.Error { return region.Errorf("Throttling", "Rate exceeded") }

// jsonDialect is JSON 1.1 as a service has it.
type jsonDialect struct{ service string }

func (jsonDialect) answer(w http.ResponseWriter, _, requestID string, body any) error {
	if body == nil {
		body = struct{}{}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	send(w, http.StatusOK, "application/x-amz-json-1.1", requestID, text)
	return nil
}

func (jsonDialect) fail(w http.ResponseWriter, e *region.Error, requestID string) {
	body := map[string]any{"__type": e.Code}
	if e.Message != "" {
		body["message"] = e.Message
	}
	maps.Copy(body, e.Details)
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings and lists of them
	}
	w.Header().Set("X-Amzn-Errortype", e.Code)
	send(w, e.HTTPStatus, "application/x-amz-json-1.1", requestID, text)
}

func (jsonDialect) unknownAction(string, string) *region.Error {
	return region.Errorf("UnknownOperationException", "")
}

func (jsonDialect) unknownKey() *region.Error {
	return region.Errorf("UnrecognizedClientException", "The security token included in the request is invalid.")
}

func (jsonDialect) noCredentials() *region.Error {
	return region.Errorf("MissingAuthenticationTokenException", "Missing Authentication Token")
}

func (jsonDialect) denied(c call.Call, who, resource string) *region.Error {
	return region.Errorf("AccessDeniedException", "User: %s is not authorized to perform: %s%s because no identity-based policy allows the %s action",
		who, c.Name(), onResource(resource), c.Name())
}

func (d jsonDialect) throttled() *region.Error {
	if d.service == "servicequotas" {
		return region.Errorf("TooManyRequestsException", "Rate exceeded")
	}
	return region.Errorf("ThrottlingException", "Rate exceeded")
}

func onResource(arn string) string {
	if arn == "" {
		arn = "*"
	}
	return " on resource: " + arn
}

func send(w http.ResponseWriter, status int, contentType, requestID string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Amzn-Requestid", requestID)
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have gone
}
