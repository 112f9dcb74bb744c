// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// landscape is all that a run may change, as EC2 gives it.
type landscape struct {
	acls []ec2types.NetworkAcl
	tags []string // a line each
}

// landscape reads it.
func (w *walk) landscape(ctx context.Context) (landscape, error) {
	acls, err := w.networkACLs(ctx, "")
	if err != nil {
		return landscape{}, err
	}
	l := landscape{acls: acls}
	pages := ec2.NewDescribeTagsPaginator(w.ec2, &ec2.DescribeTagsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return landscape{}, err
		}
		for _, t := range page.Tags {
			l.tags = append(l.tags, fmt.Sprintf("tag %s=%s on %s", awssdk.ToString(t.Key), awssdk.ToString(t.Value), awssdk.ToString(t.ResourceId)))
		}
	}
	return l, nil
}

// differences says what is not as it was. An association's id is none of it: AWS gives a new one to a subnet that moves.
func (l landscape) differences(after landscape) []string {
	var differ []string
	say := func(format string, args ...any) { differ = append(differ, fmt.Sprintf(format, args...)) }
	for _, was := range l.acls {
		i := slices.IndexFunc(after.acls, func(a ec2types.NetworkAcl) bool { return idOf(a) == idOf(was) })
		if i < 0 {
			say("network ACL %s is gone", idOf(was))
			continue
		}
		is := after.acls[i]
		for _, e := range lacking(was.Entries, is.Entries) {
			say("%s has a new entry: %s", idOf(is), strings.Join(describe(e), " "))
		}
		for _, e := range lacking(is.Entries, was.Entries) {
			say("%s lacks an entry: %s", idOf(is), strings.Join(describe(e), " "))
		}
		if !slices.Equal(subnetsOf(was), subnetsOf(is)) {
			say("%s serves %s, and not %s", idOf(is), strings.Join(subnetsOf(is), " "), strings.Join(subnetsOf(was), " "))
		}
	}
	for _, is := range after.acls {
		if !slices.ContainsFunc(l.acls, func(a ec2types.NetworkAcl) bool { return idOf(a) == idOf(is) }) {
			say("network ACL %s is left", idOf(is))
		}
	}
	for _, t := range after.tags {
		if !slices.Contains(l.tags, t) {
			say("%s is left", t)
		}
	}
	for _, t := range l.tags {
		if !slices.Contains(after.tags, t) {
			say("%s is gone", t)
		}
	}
	return differ
}
