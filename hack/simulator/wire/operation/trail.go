// SPDX-License-Identifier: Apache-2.0

package operation

import "strings"

// TrailNames are parameters as CloudTrail writes them: all names begin with a small letter.
func TrailNames(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, member := range v {
			if k != "" {
				out[strings.ToLower(k[:1])+k[1:]] = TrailNames(member)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = TrailNames(v[i])
		}
		return out
	}
	return v
}
