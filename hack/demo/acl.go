// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

// defaultEntry is the number of the IPv4 entry that every network ACL ends with; people write it as *.
const defaultEntry = 32767

// networkACLs reads network ACLs by a filter; no values: all of them. They come in the order of their ids.
func (w *walk) networkACLs(ctx context.Context, filter string, values ...string) ([]ec2types.NetworkAcl, error) {
	input := &ec2.DescribeNetworkAclsInput{}
	if len(values) > 0 {
		input.Filters = []ec2types.Filter{{Name: awssdk.String(filter), Values: values}}
	}
	out, err := w.ec2.DescribeNetworkAcls(ctx, input)
	if err != nil {
		return nil, err
	}
	for _, acl := range out.NetworkAcls {
		slices.SortFunc(acl.Entries, inOrder)
	}
	slices.SortFunc(out.NetworkAcls, func(a, b ec2types.NetworkAcl) int { return cmp.Compare(idOf(a), idOf(b)) })
	return out.NetworkAcls, nil
}

// networkACL reads the network ACL that the subnet has.
func (w *walk) networkACL(ctx context.Context) (ec2types.NetworkAcl, error) {
	return w.theOne(ctx, "association.subnet-id", w.subnet)
}

func (w *walk) theOne(ctx context.Context, filter, value string) (ec2types.NetworkAcl, error) {
	acls, err := w.networkACLs(ctx, filter, value)
	if err == nil && len(acls) != 1 {
		err = fmt.Errorf("%s=%s: there are %d network ACLs", filter, value, len(acls))
	}
	if err != nil {
		return ec2types.NetworkAcl{}, err
	}
	return acls[0], nil
}

// inOrder is the order in which AWS goes through entries, outbound ones first.
func inOrder(a, b ec2types.NetworkAclEntry) int {
	if outbound(a) != outbound(b) {
		return map[bool]int{true: -1, false: 1}[outbound(a)]
	}
	return cmp.Compare(awssdk.ToInt32(a.RuleNumber), awssdk.ToInt32(b.RuleNumber))
}

func idOf(acl ec2types.NetworkAcl) string { return awssdk.ToString(acl.NetworkAclId) }

func outbound(e ec2types.NetworkAclEntry) bool { return awssdk.ToBool(e.Egress) }

// subnetsOf are the subnets that a network ACL serves, sorted.
func subnetsOf(acl ec2types.NetworkAcl) []string {
	var subnets []string
	for _, a := range acl.Associations {
		subnets = append(subnets, awssdk.ToString(a.SubnetId))
	}
	slices.Sort(subnets)
	return subnets
}

// rules counts the entries that the subnet's network ACL had not at first: those of a run.
func (w *walk) rules(acl ec2types.NetworkAcl) int {
	return len(lacking(w.original.Entries, acl.Entries))
}

// lacking are the entries of b that a lacks.
func lacking(a, b []ec2types.NetworkAclEntry) []ec2types.NetworkAclEntry {
	return slices.DeleteFunc(slices.Clone(b), func(e ec2types.NetworkAclEntry) bool { return has(a, e) })
}

func has(entries []ec2types.NetworkAclEntry, e ec2types.NetworkAclEntry) bool {
	return slices.ContainsFunc(entries, func(o ec2types.NetworkAclEntry) bool { return reflect.DeepEqual(o, e) })
}

func describe(e ec2types.NetworkAclEntry) []string {
	number := strconv.Itoa(int(awssdk.ToInt32(e.RuleNumber)))
	if number == strconv.Itoa(defaultEntry) {
		number = "*"
	}
	direction, protocol := "inbound", awssdk.ToString(e.Protocol)
	if outbound(e) {
		direction = "outbound"
	}
	if protocol == "-1" {
		protocol = "all"
	}
	return []string{fmt.Sprintf("%4s", number), direction, string(e.RuleAction), protocol, awssdk.ToString(e.CidrBlock)}
}

var aclHeader = []string{"RULE", "DIRECTION", "ACTION", "PROTOCOL", "CIDR"}

// showEntries shows a network ACL's entries, each with what a mark says of it.
func (w *walk) showEntries(acl ec2types.NetworkAcl, mark func(ec2types.NetworkAclEntry) (string, screen.Style)) {
	var rows []screen.Row
	for _, e := range acl.Entries {
		text, style := mark(e)
		rows = append(rows, screen.Row{Cells: append(describe(e), text), Style: style})
	}
	w.screen.Table(append(slices.Clone(aclHeader), ""), rows)
}

// showBefore shows the network ACL that the subnet shares, and the agents in the subnets on it. From here on the other
// subnets' agents are watched.
func (w *walk) showBefore(ctx context.Context) (string, error) {
	var err error
	if w.original, err = w.networkACL(ctx); err != nil {
		return "", err
	}
	if w.before, err = w.landscape(ctx); err != nil {
		return "", err
	}
	w.showEntries(w.original, func(ec2types.NetworkAclEntry) (string, screen.Style) { return "", screen.Plain })
	all, err := w.instances(ctx)
	if err != nil {
		return "", err
	}
	var rows []screen.Row
	for _, subnet := range subnetsOf(w.original) {
		row := screen.Row{Cells: []string{subnet, agentsIn(subnet, all), ""}}
		if subnet == w.subnet {
			row.Style, row.Cells[2] = screen.Marked, "← target of the run"
		}
		rows = append(rows, row)
	}
	w.screen.Table([]string{"SUBNET", "AGENTS, BY CLUSTER", ""}, rows)
	w.others.agents = slices.DeleteFunc(all, func(i instance) bool { return i.subnet == w.subnet })
	if len(rows) < 2 || len(w.others.agents) == 0 {
		return "", errors.New("no other subnet with agents shares the network ACL")
	}
	w.watchOthers(ctx)
	return fmt.Sprintf("%s allows all traffic of %d subnets: rules on it would affect all of them", idOf(w.original), len(rows)), nil
}

// compare holds all that a run may change against what it was, and looks for the manager's writes in the log of calls.
func (w *walk) compare(ctx context.Context) (string, error) {
	if err := w.asBefore(ctx); err != nil {
		return "", err
	}
	now, err := w.networkACL(ctx)
	if err != nil {
		return "", err
	}
	w.showEntries(now, func(ec2types.NetworkAclEntry) (string, screen.Style) { return "= as before", screen.Plain })
	made := writes(w.managerCalls(0))
	w.screen.Table(nil, []screen.Row{
		{Cells: []string{"the manager's writes", tally(made)}},
		{Cells: []string{"… that name " + idOf(w.original), tally(naming(made, idOf(w.original)))}},
	})
	if err := w.spared(made); err != nil {
		return "", err
	}
	return fmt.Sprintf("the clone is deleted, no tag is left, and the only write that named %s associated the subnet with it again", idOf(w.original)), nil
}

// spared reports whether the original was left alone: no write named it but the ones that put the subnet back on it.
func (w *walk) spared(made []call) error {
	named := naming(made, idOf(w.original))
	for _, c := range named {
		if c.Action != "ReplaceNetworkAclAssociation" {
			return fmt.Errorf("the manager wrote to %s: %s", idOf(w.original), c)
		}
	}
	if len(named) == 0 {
		return errors.New("no call associated the subnet with its network ACL again")
	}
	return nil
}

// asBefore waits until all that a run may change is as it was before.
func (w *walk) asBefore(ctx context.Context) error {
	return w.until(ctx, func(ctx context.Context) (bool, string, error) {
		after, err := w.landscape(ctx)
		differ := w.before.differences(after)
		return len(differ) == 0, strings.Join(differ, "; "), err
	})
}
