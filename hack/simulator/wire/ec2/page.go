// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// page is what MaxResults and NextToken ask for.
type page struct {
	size  int
	after string
}

// pages reads MaxResults (5 to 1000) and NextToken. They can't be joined with ids.
func pages(form url.Values, idParameter string, ids []string) (page, error) {
	var p page
	if text := form.Get("MaxResults"); text != "" {
		n, err := strconv.Atoi(text)
		switch {
		case err != nil:
			return p, region.Errorf("InvalidParameterValue", "Value ( %s ) for parameter maxResults is invalid. It must be an integer.", text)
		case n < 5:
			return p, region.Errorf("InvalidParameterValue", "Value ( %d ) for parameter maxResults is invalid. Expecting a value greater than 5.", n)
		case n > 1000:
			return p, region.Errorf("InvalidParameterValue", "Value ( %d ) for parameter maxResults is invalid. Expecting a value less than 1000.", n)
		case len(ids) > 0:
			return p, region.Errorf("InvalidParameterCombination", "The parameter %s cannot be used with the parameter maxResults", idParameter)
		}
		p.size = n
	}
	if token := form.Get("NextToken"); token != "" {
		text, err := base64.RawURLEncoding.DecodeString(token)
		after, ok := strings.CutPrefix(string(text), "after:")
		if err != nil || !ok {
			return p, region.Errorf("InvalidNextToken", "The specified NextToken is not valid.")
		}
		p.after = after
	}
	return p, nil
}

// cut takes the page out of items that are sorted by key. A token holds the last key of the page before, so that what
// is added or removed in between neither repeats nor hides anything else.
func cut[T any](p page, items []T, key func(T) string) (out []T, next string) {
	for i, item := range items {
		if p.after != "" && key(item) <= p.after {
			continue
		}
		if p.size > 0 && len(out) == p.size {
			return out, base64.RawURLEncoding.EncodeToString([]byte("after:" + key(items[i-1])))
		}
		out = append(out, item)
	}
	return out, ""
}
