// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/cloudwatch"
)

// rpcProtocol is the value of the header with which Smithy's RPC v2 announces itself, in requests and
// answers.
const rpcProtocol = "rpc-v2-cbor"

// rpcServices are the services by their name in the path.
var rpcServices = map[string]string{cloudwatch.RPCService: "cloudwatch"}

// cborDialect is Smithy's RPC v2 with CBOR. Services that had the query protocol before name the code
// of that in a header.
type cborDialect struct{ jsonDialect }

// Times are seconds with the tag that says so, as the protocol has them.
var (
	encoding = must(cbor.EncOptions{Time: cbor.TimeUnixMicro, TimeTag: cbor.EncTagRequired}.EncMode())
	decoding = must(cbor.DecOptions{DefaultMapType: reflect.TypeFor[map[string]any]()}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the options are constants
	}
	return v
}

// readRPC finds out what a request of RPC v2 asks for: /service/SERVICE/operation/OPERATION.
func readRPC(r *http.Request, body []byte) (target, *region.Error) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	t := target{dialect: cborDialect{}, body: body, params: map[string]any{}}
	if len(parts) != 4 || parts[0] != "service" || parts[2] != "operation" || rpcServices[parts[1]] == "" {
		unknown := t.dialect.unknownAction("", "")
		unknown.HTTPStatus = http.StatusNotFound
		return t, unknown
	}
	t.service, t.action = rpcServices[parts[1]], parts[3]
	if len(body) > 0 && decoding.Unmarshal(body, &t.params) != nil {
		return t, region.Errorf("SerializationException", "The request body is not a CBOR map.")
	}
	return t, nil
}

func (cborDialect) answer(w http.ResponseWriter, _, requestID string, body any) error {
	if body == nil {
		body = struct{}{}
	}
	text, err := encoding.Marshal(body)
	if err != nil {
		return err
	}
	w.Header().Set("Smithy-Protocol", rpcProtocol)
	send(w, http.StatusOK, "application/cbor", requestID, text)
	return nil
}

func (cborDialect) fail(w http.ResponseWriter, e *region.Error, requestID string) {
	text, err := encoding.Marshal(map[string]string{"__type": e.Code, "message": e.Message})
	if err != nil {
		panic(err) // strings
	}
	w.Header().Set("Smithy-Protocol", rpcProtocol)
	w.Header().Set("X-Amzn-Query-Error", e.Code+";Sender")
	send(w, e.HTTPStatus, "application/cbor", requestID, text)
}
