// SPDX-License-Identifier: Apache-2.0

package cloudtrail

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// position is an event that was the last one of a page.
type position struct {
	ID   string `json:"id"`
	Copy int    `json:"copy"`
}

func positionOf(e region.Event) position { return position{e.ID, e.Copy} }

// token is what a NextToken holds: where the page ended, and the request that it continues.
type token struct {
	After   position `json:"after"`
	Request string   `json:"request"`
}

func (in lookup) token(after position) string {
	text, err := json.Marshal(token{after, in.digest()})
	if err != nil {
		panic(err) // strings and a number
	}
	return base64.StdEncoding.EncodeToString(text)
}

// position is where the page before ended; nil for the first page. A token continues only the
// request that gave it.
func (in lookup) position() (*position, error) {
	if in.NextToken == "" {
		return nil, nil
	}
	text, err := base64.StdEncoding.DecodeString(in.NextToken)
	if err != nil {
		return nil, invalidToken()
	}
	var t token
	if json.Unmarshal(text, &t) != nil || t.Request != in.digest() {
		return nil, invalidToken()
	}
	return &t.After, nil
}

func invalidToken() error {
	return region.Errorf("InvalidNextTokenException", "The token is invalid, or was given for a request with other parameters.")
}

// digest tells requests apart by all parameters but the token.
func (in lookup) digest() string {
	in.NextToken = ""
	text, err := json.Marshal(in)
	if err != nil {
		panic(err) // it was decoded from JSON
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// ownParameters are those of a lookup in CloudTrail's own event, with times in words.
func ownParameters(given map[string]any) any {
	out, isMap := operation.TrailNames(given).(map[string]any)
	if !isMap {
		return nil
	}
	for _, name := range []string{"startTime", "endTime"} {
		if seconds, ok := out[name].(float64); ok {
			out[name] = inWords(seconds)
		}
	}
	return out
}
