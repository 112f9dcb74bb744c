// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// history makes calls on network ACLs, each from its second to the next.
type history struct {
	from time.Time
	all  []timedCall
}

func (h *history) add(action, acl string) {
	begin := h.from.Add(time.Duration(len(h.all)) * time.Second)
	parameter := "NetworkAclId"
	if action == "DeleteTags" {
		parameter = "ResourceId.1"
	}
	h.all = append(h.all, timedCall{
		Call: sim.Call{Action: action, Params: map[string]any{parameter: acl}}, begin: begin, end: begin.Add(time.Second),
	})
}

func TestAnEndingIsReadOffTheCalls(t *testing.T) {
	t.Run("InPlace", func(t *testing.T) {
		h, p := &history{from: time.Now()}, single[0]
		h.add("CreateTags", p.acl)
		for range theRules {
			h.add("DeleteNetworkAclEntry", p.acl)
		}
		h.add("DeleteTags", p.acl)
		h.add("DeleteNetworkAclEntry", "another")
		expectEnding(t, h, p, "", 1, 7, 8)
	})
	t.Run("Clone", func(t *testing.T) {
		h, p := &history{from: time.Now()}, single[1]
		h.add("ReplaceNetworkAclAssociation", "clone")
		h.add("ReplaceNetworkAclAssociation", p.acl)
		h.add("DeleteNetworkAcl", "another")
		h.add("DeleteNetworkAcl", "clone")
		expectEnding(t, h, p, "clone", 1, 2, 4)
	})
}

func TestAnEndingThatIsNotAllThereIsAnError(t *testing.T) {
	h, p := &history{from: time.Now()}, single[1]
	h.add("ReplaceNetworkAclAssociation", p.acl)
	h.add("DeleteNetworkAcl", "clone")
	h.all[1].Error = "DependencyViolation"
	if _, err := endingOf(p, "clone", changes(h.all)); err == nil {
		t.Error("a refused deletion counted as one")
	}
}

func expectEnding(t *testing.T, h *history, p place, clone string, asked, lifted, cleared int) {
	t.Helper()
	got, err := endingOf(p, clone, changes(h.all))
	if err != nil {
		t.Fatal(err)
	}
	second := func(at time.Time) int { return int(at.Sub(h.from) / time.Second) }
	if second(got.asked) != asked || second(got.lifted) != lifted || second(got.cleared) != cleared {
		t.Errorf("asked at %d, lifted at %d, cleared at %d, want %d, %d and %d",
			second(got.asked), second(got.lifted), second(got.cleared), asked, lifted, cleared)
	}
}
