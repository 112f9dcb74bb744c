// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/json"
	"net/http"
	"net/url"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/fis"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/scheduler"
)

// routes finds the action of a service with a path for each operation, by the name that requests are
// signed for.
var routes = map[string]func(*http.Request) (action string, params url.Values, ok bool){
	"scheduler": scheduler.Route,
	"fis":       fis.Route,
}

// restDialect is JSON with a path for each operation, as EventBridge Scheduler and FIS have it.
type restDialect struct{ jsonDialect }

// readREST finds out what a request to a service with paths asks for.
func readREST(r *http.Request, service string, body []byte) (target, *region.Error) {
	t := target{service: service, dialect: restDialect{}, body: body, params: map[string]any{}}
	if len(body) > 0 && json.Unmarshal(body, &t.params) != nil {
		return t, region.Errorf("SerializationException", "The request body is not a JSON object.")
	}
	action, params, ok := routes[service](r)
	t.action, t.form = action, params
	if !ok {
		unknown := t.dialect.unknownAction("", "")
		unknown.HTTPStatus = http.StatusNotFound
		return t, unknown
	}
	for k := range params {
		t.params[k] = params.Get(k)
	}
	return t, nil
}

func (restDialect) answer(w http.ResponseWriter, _, requestID string, body any) error {
	if body == nil {
		body = struct{}{}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	send(w, http.StatusOK, "application/json", requestID, text)
	return nil
}

// fail has the code in a header alone.
func (restDialect) fail(w http.ResponseWriter, e *region.Error, requestID string) {
	text, err := json.Marshal(map[string]string{"Message": e.Message})
	if err != nil {
		panic(err) // a string
	}
	w.Header().Set("X-Amzn-Errortype", e.Code)
	send(w, restStatus(e), "application/json", requestID, text)
}

// restStatus is the status of a code in the service's model. Codes that it hasn't keep theirs.
func restStatus(e *region.Error) int {
	switch e.Code {
	case "AccessDeniedException", "UnrecognizedClientException", "MissingAuthenticationTokenException", "IncompleteSignature":
		return http.StatusForbidden
	case "ResourceNotFoundException":
		return http.StatusNotFound
	case "ConflictException":
		return http.StatusConflict
	case "ServiceQuotaExceededException":
		return http.StatusPaymentRequired
	case "ThrottlingException":
		return http.StatusTooManyRequests
	case "InternalServerException":
		return http.StatusInternalServerError
	}
	return e.HTTPStatus
}
