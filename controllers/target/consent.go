// SPDX-License-Identifier: Apache-2.0

package target

import (
	"slices"
	"strings"
)

// Consent is what the tags of a subnet have to say for runs of a namespace. Without a key no
// consent is asked for.
type Consent struct {
	TagKey, Namespace string
}

// Consent is the one that the run needs.
func (t *Target) Consent() Consent { return Consent{t.Options.ConsentTagKey, t.Object.Namespace} }

// IsGivenBy reports whether the tags of a subnet allow runs of the namespace.
func (c Consent) IsGivenBy(tags map[string]string) bool {
	if c.TagKey == "" {
		return true
	}
	value := tags[c.TagKey]
	return value == "true" || slices.Contains(strings.Fields(value), c.Namespace)
}

// LackedBy are those of the subnets whose tags, as far as they are known, do not allow runs of the
// namespace.
func (c Consent) LackedBy(ids []string, known map[string]Subnet) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return c.IsGivenBy(known[id].Tags) })
}
