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
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"agentdisconnect.dev/agentdisconnect/hack/demo/screen"
)

// defaultEntry is the number of the IPv4 entry that every network ACL ends with; people write it as *.
const defaultEntry = 32767

// networkACL reads the subnet's network ACL, its entries in the order in which AWS goes through them, outbound first.
func (w *walk) networkACL(ctx context.Context) (ec2types.NetworkAcl, error) {
	out, err := w.ec2.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{
		Filters: []ec2types.Filter{{Name: awssdk.String("association.subnet-id"), Values: []string{w.subnet}}},
	})
	if err != nil {
		return ec2types.NetworkAcl{}, err
	}
	if len(out.NetworkAcls) != 1 {
		return ec2types.NetworkAcl{}, fmt.Errorf("subnet %s has %d network ACLs", w.subnet, len(out.NetworkAcls))
	}
	acl := out.NetworkAcls[0]
	slices.SortFunc(acl.Entries, func(a, b ec2types.NetworkAclEntry) int {
		if outbound(a) != outbound(b) {
			return map[bool]int{true: -1, false: 1}[outbound(a)]
		}
		return cmp.Compare(awssdk.ToInt32(a.RuleNumber), awssdk.ToInt32(b.RuleNumber))
	})
	return acl, nil
}

// rules counts the entries that the network ACL had not at first: those of the run.
func (w *walk) rules(acl ec2types.NetworkAcl) int {
	return len(slices.DeleteFunc(slices.Clone(acl.Entries), w.stoodBefore))
}

func (w *walk) stoodBefore(e ec2types.NetworkAclEntry) bool {
	return slices.ContainsFunc(w.before.Entries, func(b ec2types.NetworkAclEntry) bool { return reflect.DeepEqual(b, e) })
}

func outbound(e ec2types.NetworkAclEntry) bool { return awssdk.ToBool(e.Egress) }

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

func (w *walk) showBefore(ctx context.Context) (string, error) {
	acl, err := w.networkACL(ctx)
	if err != nil {
		return "", err
	}
	w.before = acl
	var rows []screen.Row
	for _, e := range acl.Entries {
		rows = append(rows, screen.Row{Cells: describe(e)})
	}
	w.screen.Table(aclHeader, rows)
	return fmt.Sprintf("%s: everything may pass", awssdk.ToString(acl.NetworkAclId)), nil
}

// showDuring waits until every address is denied, as EC2 has it.
func (w *walk) showDuring(ctx context.Context) (string, error) {
	hostOf := map[string]string{} // by CIDR
	for _, e := range w.obj.Status.Endpoints {
		for _, a := range e.Addresses {
			hostOf[a+"/32"] = e.Hostname
		}
	}
	var acl ec2types.NetworkAcl
	err := w.until(ctx, func(ctx context.Context) (done bool, seen string, err error) {
		if acl, err = w.networkACL(ctx); err != nil {
			return false, "", err
		}
		denied := 0
		for _, e := range acl.Entries {
			if hostOf[awssdk.ToString(e.CidrBlock)] != "" && outbound(e) && e.RuleAction == ec2types.RuleActionDeny && awssdk.ToString(e.Protocol) == "-1" {
				denied++
			}
		}
		seen = fmt.Sprintf("%d of %d addresses are denied", denied, len(hostOf))
		return denied == len(hostOf), seen, w.read(ctx)
	})
	if err != nil {
		return "", err
	}
	w.ending.watch(ctx, w)
	var rows []screen.Row
	for _, e := range acl.Entries {
		row := screen.Row{Cells: append(describe(e), "")}
		if !w.stoodBefore(e) {
			row.Style, row.Cells[5] = screen.Marked, "◂ ours: "+hostOf[awssdk.ToString(e.CidrBlock)]
		}
		rows = append(rows, row)
	}
	w.screen.Table(append(slices.Clone(aclHeader), ""), rows)
	if missing := len(w.before.Entries) + len(hostOf) - len(acl.Entries); missing != 0 {
		return "", fmt.Errorf("the network ACL has %d entries and not the %d of before and %d of ours", len(acl.Entries), len(w.before.Entries), len(hostOf))
	}
	return fmt.Sprintf("%d addresses are denied before rule 100 lets them pass; the other entries are as they were", len(hostOf)), nil
}

// ending is the end of the rules as someone sees it who reads the network ACL all the time, whatever step is under way.
type ending struct {
	mu             sync.Mutex
	lastSeen, gone time.Time
	left           int
	err            error
}

// watch reads the network ACL until no rule of the run is left. It ends with the walk-through's stack.
func (e *ending) watch(ctx context.Context, w *walk) {
	ctx = context.WithoutCancel(ctx) // the step's own context ends with the step
	tick := time.NewTicker(look / 2)
	go func() {
		defer tick.Stop()
		for range tick.C {
			asked := time.Now()
			acl, err := w.networkACL(ctx)
			if e.saw(asked, w.rules(acl), err) {
				return
			}
		}
	}()
}

// saw notes a look at the network ACL, and says whether there is no more to see.
func (e *ending) saw(at time.Time, left int, err error) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = err
	switch {
	case err != nil:
		return errors.Is(err, context.Canceled)
	case left > 0:
		e.left, e.lastSeen = left, at
		return false
	}
	e.left, e.gone = 0, time.Now()
	return true
}

func (e *ending) now() (left int, lastSeen, gone time.Time, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.left, e.lastSeen, e.gone, e.err
}

// punctual is how late an end may be. The manager acts at once; the rest is for a machine that has other things to do.
const punctual = 5 * time.Second

// expire waits for the expiration time, and for the rules to be gone.
func (w *walk) expire(ctx context.Context) (string, error) {
	if w.obj.Status.ExpirationTime == nil {
		return "", errors.New("the status has no expirationTime")
	}
	expires := w.obj.Status.ExpirationTime.Time
	var lastSeen, gone time.Time
	err := w.until(ctx, func(context.Context) (bool, string, error) {
		var left int
		var err error
		left, lastSeen, gone, err = w.ending.now()
		return !gone.IsZero(), fmt.Sprintf("%d rules are in place", left), err
	})
	if err != nil {
		return "", err
	}
	w.screen.Table(nil, []screen.Row{
		{Cells: []string{"status.expirationTime", clock(expires)}},
		{Cells: []string{"rules last seen", clock(lastSeen)}},
		{Cells: []string{"no rule left", clock(gone)}},
	})
	switch late := gone.Sub(expires); {
	case late < 0:
		return "", fmt.Errorf("the rules went %s before the time was over", screen.Seconds(-late))
	case late > punctual:
		return "", fmt.Errorf("the rules went %s after the time was over", screen.Seconds(late))
	default:
		return fmt.Sprintf("all rules were gone %s after the time was over", screen.Seconds(late)), nil
	}
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.0") + " UTC" }

// compare holds the network ACL against what it was, entry by entry.
func (w *walk) compare(ctx context.Context) (string, error) {
	after, err := w.networkACL(ctx)
	if err != nil {
		return "", err
	}
	var rows []screen.Row
	differences := 0
	for _, e := range after.Entries {
		row := screen.Row{Cells: append(describe(e), "= as before")}
		if !w.stoodBefore(e) {
			row.Style, row.Cells[5] = screen.Bad, "≠ was not there before"
			differences++
		}
		rows = append(rows, row)
	}
	for _, e := range w.before.Entries {
		if !slices.ContainsFunc(after.Entries, func(a ec2types.NetworkAclEntry) bool { return reflect.DeepEqual(a, e) }) {
			rows = append(rows, screen.Row{Cells: append(describe(e), "≠ is gone"), Style: screen.Bad})
			differences++
		}
	}
	w.screen.Table(append(slices.Clone(aclHeader), ""), rows)
	switch {
	case differences > 0:
		return "", fmt.Errorf("%d entries differ", differences)
	case !reflect.DeepEqual(after, w.before):
		return "", errors.New("the network ACL's associations or tags differ")
	}
	return fmt.Sprintf("%d entries of %d are the same, and so are the associations and tags", len(after.Entries), len(w.before.Entries)), nil
}
