// SPDX-License-Identifier: Apache-2.0

package region

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// TagDescription is one tag of one resource.
type TagDescription struct{ ResourceID, ResourceType, Key, Value string }

// Deletion names a tag to delete: with a value only where the tag has it.
type Deletion struct {
	Key   string
	Value *string
}

// tagged are the tags of a resource and a way to set them.
func (s *state) tagged(id string) (tags map[string]string, set func(map[string]string), err error) {
	prefix, _, _ := strings.Cut(id, "-")
	switch prefix {
	case "vpc":
		if v, ok := s.vpcs.m[id]; ok {
			return v.Tags, func(t map[string]string) { v.Tags = t; s.vpcs.put(id, v) }, nil
		}
		return nil, nil, firstErr(kindVPC.check(id), kindVPC.missing(id))
	case "subnet":
		if v, ok := s.subnets.m[id]; ok {
			return v.Tags, func(t map[string]string) { v.Tags = t; s.subnets.put(id, v) }, nil
		}
		return nil, nil, firstErr(kindSubnet.check(id), kindSubnet.missing(id))
	case "acl":
		if v, ok := s.acls.m[id]; ok {
			return v.Tags, func(t map[string]string) { v.Tags = t; s.acls.put(id, v) }, nil
		}
		return nil, nil, firstErr(kindACL.check(id), kindACL.missing(id))
	}
	return nil, nil, Errorf("InvalidID", "The ID '%s' is not valid", id)
}

func firstErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkTags refuses tags that AWS refuses on a resource that has some already.
func checkTags(have, add map[string]string) error {
	total := maps.Clone(have)
	if total == nil {
		total = map[string]string{}
	}
	for _, k := range slices.Sorted(maps.Keys(add)) {
		switch v := add[k]; {
		case k == "":
			return Errorf("InvalidParameterValue", "Tag key cannot be empty")
		case reserved(k):
			return errReserved()
		case utf8.RuneCountInString(k) > 128:
			return Errorf("InvalidParameterValue", "Tag key exceeds the maximum length of 128 characters")
		case utf8.RuneCountInString(v) > 256:
			return Errorf("InvalidParameterValue", "Tag value exceeds the maximum length of 256 characters")
		}
		total[k] = add[k]
	}
	maps.DeleteFunc(total, func(k, _ string) bool { return reserved(k) })
	if len(total) > TagsPerResource {
		return Errorf("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
	}
	return nil
}

// reserved reports whether a tag is one of AWS's own, which only AWS makes or deletes.
func reserved(key string) bool { return strings.HasPrefix(strings.ToLower(key), "aws:") }

func errReserved() error {
	return Errorf("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
}

// CreateTags sets tags on all the resources or, if one of them can't have them, on none.
func (r *Region) CreateTags(resources []string, tags map[string]string) error {
	return r.change(func(s *state) error {
		for _, id := range resources {
			have, set, err := s.tagged(id)
			if err != nil {
				return err
			}
			if err := checkTags(have, tags); err != nil {
				return err
			}
			all := maps.Clone(have)
			if all == nil {
				all = map[string]string{}
			}
			maps.Copy(all, tags)
			set(all)
		}
		return nil
	})
}

// DeleteTags removes tags from all the resources or, if one of them doesn't exist, from none. If no tag is named, all go
// but those of AWS's own. Tags that aren't there are no error.
func (r *Region) DeleteTags(resources []string, tags []Deletion) error {
	if slices.ContainsFunc(tags, func(d Deletion) bool { return reserved(d.Key) }) {
		return errReserved()
	}
	return r.change(func(s *state) error {
		for _, id := range resources {
			have, set, err := s.tagged(id)
			if err != nil {
				return err
			}
			left := map[string]string{}
			for k, v := range have {
				gone := len(tags) == 0 && !reserved(k) || slices.ContainsFunc(tags, func(d Deletion) bool {
					return d.Key == k && (d.Value == nil || *d.Value == v)
				})
				if !gone {
					left[k] = v
				}
			}
			set(left)
		}
		return nil
	})
}

// SetTags replaces all tags of a resource, as no AWS action can: with aws: tags, or more than the limit.
func (r *Region) SetTags(resource string, tags map[string]string) error {
	return r.change(func(s *state) error {
		_, set, err := s.tagged(resource)
		if err == nil {
			set(maps.Clone(tags))
		}
		return err
	})
}

// TagsOf are the tags of a resource. One that doesn't exist has none.
func (v View) TagsOf(resource string) map[string]string {
	tags, _, err := v.s.tagged(resource)
	if err != nil {
		return nil
	}
	return maps.Clone(tags)
}

// HasTag reports whether a resource has a tag with a key. One that doesn't exist has none.
func (v View) HasTag(resource, key string) bool {
	tags, _, err := v.s.tagged(resource)
	_, has := tags[key]
	return err == nil && has
}

// Tags are the tags of all resources, by resource and key.
func (v View) Tags() []TagDescription {
	var out []TagDescription
	add := func(id, resourceType string, tags map[string]string) {
		for _, k := range slices.Sorted(maps.Keys(tags)) {
			out = append(out, TagDescription{id, resourceType, k, tags[k]})
		}
	}
	for _, a := range sortedValues(v.s.acls.m) {
		add(a.ID, kindACL.resourceType, a.Tags)
	}
	for _, s := range sortedValues(v.s.subnets.m) {
		add(s.ID, kindSubnet.resourceType, s.Tags)
	}
	for _, p := range sortedValues(v.s.vpcs.m) {
		add(p.ID, kindVPC.resourceType, p.Tags)
	}
	return out
}
