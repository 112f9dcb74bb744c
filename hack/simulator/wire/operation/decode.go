// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"encoding/json"
	"errors"

	kjson "sigs.k8s.io/json"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// Decode reads the document of a JSON service. A value of the wrong type is what AWS's front end
// answers before the service sees the request. Members that are unknown, also by their case, are
// ignored.
func Decode(body []byte, in any) error {
	if len(body) == 0 {
		return nil
	}
	err := kjson.UnmarshalCaseSensitivePreserveInts(body, in)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return region.Errorf("SerializationException", "%s: expected %s, found %s", wrong.Field, wrong.Type, wrong.Value)
	}
	if err != nil {
		return region.Errorf("SerializationException", "%v", err)
	}
	return nil
}
