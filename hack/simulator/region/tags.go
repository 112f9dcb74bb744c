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
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return Errorf("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
		case utf8.RuneCountInString(k) > 128:
			return Errorf("InvalidParameterValue", "Tag key exceeds the maximum length of 128 characters")
		case utf8.RuneCountInString(v) > 256:
			return Errorf("InvalidParameterValue", "Tag value exceeds the maximum length of 256 characters")
		}
		total[k] = add[k]
	}
	if len(total) > TagsPerResource {
		return Errorf("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
	}
	return nil
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

// DeleteTags removes tags, all of them if none is named. Tags that aren't there are no error.
func (r *Region) DeleteTags(resources []string, tags []Deletion) error {
	return r.change(func(s *state) error {
		for _, id := range resources {
			have, set, err := s.tagged(id)
			if err != nil {
				return err
			}
			left := map[string]string{}
			for k, v := range have {
				gone := len(tags) == 0 && !strings.HasPrefix(k, "aws:") || slices.ContainsFunc(tags, func(d Deletion) bool {
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
