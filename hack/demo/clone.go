// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

// sessionOf has the sessions of the addresses in the status, by range.
func (w *walk) sessionOf() map[string]v1alpha1.EndpointSession {
	sessionOf := map[string]v1alpha1.EndpointSession{}
	for _, e := range w.obj.Status.Endpoints {
		for _, a := range e.Addresses {
			sessionOf[a+"/32"] = e.Session
		}
	}
	return sessionOf
}

// awaitClone waits until the subnet is on a clone of its network ACL that denies every address in the status, as EC2 and
// the status have it.
func (w *walk) awaitClone(ctx context.Context) (ec2types.NetworkAcl, error) {
	var acl ec2types.NetworkAcl
	err := w.until(ctx, func(ctx context.Context) (bool, string, error) {
		if err := w.read(ctx); err != nil {
			return false, "", err
		}
		var err error
		if acl, err = w.networkACL(ctx); err != nil {
			return false, "", err
		}
		if idOf(acl) == idOf(w.original) {
			return false, "the subnet is on its own network ACL; " + w.state(), nil
		}
		sessionOf, denied := w.sessionOf(), 0
		for _, e := range acl.Entries {
			if sessionOf[awssdk.ToString(e.CidrBlock)] != "" && outbound(e) && e.RuleAction == ec2types.RuleActionDeny && awssdk.ToString(e.Protocol) == "-1" {
				denied++
			}
		}
		seen := fmt.Sprintf("%d of %d addresses are denied; %s", denied, len(sessionOf), w.state())
		return denied > 0 && denied == len(sessionOf) && w.is(v1alpha1.StateBlocking), seen, nil
	})
	return acl, err
}

// showDuring waits for the clone, shows it and why the run has one, and holds the original against what it was.
func (w *walk) showDuring(ctx context.Context) (string, error) {
	clone, err := w.awaitClone(ctx)
	if err != nil {
		return "", err
	}
	w.ending.watch(ctx, w)
	sessionOf := w.sessionOf()
	w.showEntries(clone, func(e ec2types.NetworkAclEntry) (string, screen.Style) {
		if has(w.original.Entries, e) {
			return "= copied", screen.Plain
		}
		return "← added by the run: " + string(sessionOf[awssdk.ToString(e.CidrBlock)]), screen.Marked
	})
	used := w.obj.Status.NetworkACL
	if used == nil {
		return "", errors.New("the status names no network ACL")
	}
	w.screen.Table(nil, []screen.Row{
		{Cells: []string{"serves", strings.Join(subnetsOf(clone), " ")}},
		{Cells: []string{"status.networkACL", fmt.Sprintf("id: %s, mode: %s, modeReason: %s,", used.ID, used.Mode, used.ModeReason)}},
		{Cells: []string{"", "originalID: " + used.OriginalID}},
	})
	original, err := w.theOne(ctx, "network-acl-id", idOf(w.original))
	if err != nil {
		return "", err
	}
	w.screen.Print(screen.Dim, "\n  %s, the original of the clone", idOf(original))
	w.showEntries(original, func(e ec2types.NetworkAclEntry) (string, screen.Style) {
		if has(w.original.Entries, e) {
			return "= as before", screen.Plain
		}
		return "≠ did not exist before", screen.Bad
	})
	w.screen.Table(nil, []screen.Row{{Cells: []string{"serves", strings.Join(subnetsOf(original), " ")}}})
	if err := w.wellCloned(clone, original); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d addresses are denied to this subnet alone; the shared network ACL has the same entries as before", len(sessionOf)), nil
}

// wellCloned says what is wrong with a clone beside its denies, with the original, and with what the status says of both.
func (w *walk) wellCloned(clone, original ec2types.NetworkAcl) error {
	used := w.obj.Status.NetworkACL
	others := slices.DeleteFunc(subnetsOf(w.original), func(s string) bool { return s == w.subnet })
	switch {
	case used.ID != idOf(clone) || used.OriginalID != idOf(w.original) || used.Mode != v1alpha1.NetworkACLModeClone ||
		used.ModeReason != v1alpha1.NetworkACLModeShared:
		return fmt.Errorf("the status reports something else: %+v", *used)
	case len(clone.Entries) != len(w.original.Entries)+len(w.sessionOf()) || len(lacking(clone.Entries, w.original.Entries)) > 0:
		return fmt.Errorf("the clone has %d entries, not the %d of the original and %d of the run", len(clone.Entries), len(w.original.Entries), len(w.sessionOf()))
	case !slices.Equal(subnetsOf(clone), []string{w.subnet}) || !slices.Equal(subnetsOf(original), others):
		return errors.New("the clone serves other subnets too, or the original lost one")
	case w.rules(original) > 0 || len(lacking(original.Entries, w.original.Entries)) > 0:
		return errors.New("the original was changed")
	}
	return nil
}
