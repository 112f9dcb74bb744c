// SPDX-License-Identifier: Apache-2.0

package target

import (
	"slices"
	"strings"
)

// Consents reports whether the tags of a subnet allow runs of the object's namespace.
func (t *Target) Consents(tags map[string]string) bool {
	if t.Options.ConsentTagKey == "" {
		return true
	}
	value := tags[t.Options.ConsentTagKey]
	return value == "true" || slices.Contains(strings.Fields(value), t.Object.Namespace)
}

// WithoutConsent are those of the subnets whose tags, as far as they are known, do not allow runs
// of the object's namespace.
func (t *Target) WithoutConsent(ids []string, known map[string]Subnet) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return t.Consents(known[id].Tags) })
}
