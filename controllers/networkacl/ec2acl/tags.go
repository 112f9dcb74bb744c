// SPDX-License-Identifier: Apache-2.0

package ec2acl

import (
	"context"
	"maps"
	"slices"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// WriteTags asks AWS once to set tags of a network ACL, in place of those with the same keys; its
// other tags stay. The error is nil where the outcome is Done. TagLimitExceeded and, for an ACL
// that isn't there, InvalidNetworkAclID.NotFound or InvalidID are Refused. Without tags there is
// nothing to ask.
func WriteTags(ctx context.Context, client aws.FencedEC2, aclID string, tags map[string]string) (networkacl.Outcome, error) {
	if len(tags) == 0 {
		return networkacl.Done, nil
	}
	_, err := client.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{aclID}, Tags: tagsToSDK(tags)})
	return outcome(err)
}

// RemoveTags asks AWS once to remove the tags with those keys from a network ACL, whatever their
// values. The error is nil where the outcome is Done, also for tags that aren't there, or Missing
// for an ACL that isn't.
func RemoveTags(ctx context.Context, client aws.FencedEC2, aclID string, keys []string) (networkacl.Outcome, error) {
	if len(keys) == 0 {
		return networkacl.Done, nil // to AWS, no tag named means all of them
	}
	_, err := client.DeleteTags(ctx, untagInput(aclID, keys))
	// EC2's list of error codes has InvalidID for resources to tag; providers see the kind's own
	// NotFound.
	if aws.HasCode(err, aws.CodeACLNotFound) || aws.HasCode(err, aws.CodeTaggedNotFound) {
		return networkacl.Missing, nil
	}
	return outcome(err)
}

func untagInput(aclID string, keys []string) *ec2.DeleteTagsInput {
	in := &ec2.DeleteTagsInput{Resources: []string{aclID}}
	for _, key := range keys {
		in.Tags = append(in.Tags, types.Tag{Key: awssdk.String(key)}) // with a value, only a tag that has it would go
	}
	return in
}

// tagsToSDK sorts by key: a client token is good only for the very same request.
func tagsToSDK(tags map[string]string) []types.Tag {
	list := make([]types.Tag, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, types.Tag{Key: awssdk.String(key), Value: awssdk.String(tags[key])})
	}
	return list
}
