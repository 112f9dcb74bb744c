// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

// newWalk has a Region, and neither a manager nor agents.
func newWalk(t *testing.T) *walk {
	t.Helper()
	vpc, err := defaultVPC()
	if err != nil {
		t.Fatal(err)
	}
	region, err := sim.Start(t.Context(), sim.Options{World: vpc, NoAgents: true, Scale: defaultScale})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(region.Close)
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	w := &walk{screen: screen.New(file), scale: defaultScale}
	t.Cleanup(w.screen.Close)
	t.Cleanup(w.others.seenAll)
	w.use(&stack.Stack{Sim: region, Dir: "/tmp/agentdisconnect-0123456789", Kubeconfig: "/tmp/agentdisconnect-0123456789/kubeconfig"})
	return w
}

func (w *walk) deny(t *testing.T, number int32) {
	t.Helper()
	_, err := w.ec2.CreateNetworkAclEntry(t.Context(), &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: w.original.NetworkAclId, RuleNumber: awssdk.Int32(number), Egress: awssdk.Bool(true), Protocol: awssdk.String("-1"),
		RuleAction: ec2types.RuleActionDeny, CidrBlock: awssdk.String("192.0.2.1/32"),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *walk) remove(t *testing.T, number int32) {
	t.Helper()
	_, err := w.ec2.DeleteNetworkAclEntry(t.Context(), &ec2.DeleteNetworkAclEntryInput{
		NetworkAclId: w.original.NetworkAclId, RuleNumber: awssdk.Int32(number), Egress: awssdk.Bool(true),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The walk-through is worth something only if it fails where the product does.
func TestDifferencesAreSeen(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *walk){
		"an entry is left":             func(t *testing.T, w *walk) { w.deny(t, 80) },
		"an entry is gone":             func(t *testing.T, w *walk) { w.remove(t, 100) },
		"an entry differs":             func(t *testing.T, w *walk) { w.remove(t, 100); w.deny(t, 100) },
		"a tag is left":                func(t *testing.T, w *walk) { w.tag(t) },
		"a clone is left":              func(t *testing.T, w *walk) { w.clone(t) },
		"the subnet is not given back": func(t *testing.T, w *walk) { w.move(t, w.clone(t)) },
		"nothing is changed":           nil,
		"the subnet went and came back": func(t *testing.T, w *walk) {
			clone := w.clone(t)
			w.move(t, clone)
			w.move(t, idOf(w.original))
			if _, err := w.ec2.DeleteNetworkAcl(t.Context(), &ec2.DeleteNetworkAclInput{NetworkAclId: awssdk.String(clone)}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWalk(t)
			if _, err := w.showBefore(t.Context()); err != nil {
				t.Fatal(err)
			}
			if change != nil {
				change(t, w)
			}
			after, err := w.landscape(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			same := change == nil || name == "the subnet went and came back"
			if differ := w.before.differences(after); (len(differ) == 0) != same {
				t.Errorf("got %q", differ)
			}
		})
	}
}

// clone makes a network ACL in the VPC, and gives its id.
func (w *walk) clone(t *testing.T) string {
	t.Helper()
	out, err := w.ec2.CreateNetworkAcl(t.Context(), &ec2.CreateNetworkAclInput{VpcId: w.original.VpcId})
	if err != nil {
		t.Fatal(err)
	}
	return awssdk.ToString(out.NetworkAcl.NetworkAclId)
}

// move puts the subnet on a network ACL.
func (w *walk) move(t *testing.T, id string) {
	t.Helper()
	acl, err := w.networkACL(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range acl.Associations {
		if awssdk.ToString(a.SubnetId) != w.subnet {
			continue
		}
		if _, err := w.ec2.ReplaceNetworkAclAssociation(t.Context(), &ec2.ReplaceNetworkAclAssociationInput{
			AssociationId: a.NetworkAclAssociationId, NetworkAclId: awssdk.String(id),
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSparedSeesWritesToTheOriginal(t *testing.T) {
	w := newWalk(t)
	if _, err := w.showBefore(t.Context()); err != nil {
		t.Fatal(err)
	}
	clone := w.clone(t)
	w.move(t, clone)
	if err := w.spared(writes(w.stack.Sim.Calls())); err == nil {
		t.Error("a subnet that was not given back is no trouble")
	}
	w.move(t, idOf(w.original))
	if err := w.spared(writes(w.stack.Sim.Calls())); err != nil {
		t.Error(err)
	}
	w.tag(t)
	if err := w.spared(writes(w.stack.Sim.Calls())); err == nil {
		t.Error("a tag on the original is no trouble")
	}
}

func (w *walk) tag(t *testing.T) {
	t.Helper()
	_, err := w.ec2.CreateTags(t.Context(), &ec2.CreateTagsInput{
		Resources: []string{awssdk.ToString(w.original.NetworkAclId)}, Tags: []ec2types.Tag{{Key: awssdk.String("left"), Value: awssdk.String("behind")}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestExpireIsPunctual(t *testing.T) {
	for name, tc := range map[string]struct {
		late time.Duration
		ok   bool
	}{
		"in time":   {time.Second / 2, true},
		"too early": {-time.Second, false},
		"too late":  {punctual + time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWalk(t)
			expires := metav1.NewTime(time.Now().Add(-tc.late))
			w.obj.Status.ExpirationTime = &expires
			w.ending.saw(time.Now(), 0, nil)
			if _, err := w.expire(t.Context()); (err == nil) != tc.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestEndingIsSeenWhenItComes(t *testing.T) {
	w := newWalk(t)
	if _, err := w.showBefore(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.deny(t, 80)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	w.ending.watch(ctx, w)
	await(ctx, t, func() bool { left, _, _, _ := w.ending.now(); return left == 1 })
	w.remove(t, 80)
	await(ctx, t, func() bool { _, _, gone, _ := w.ending.now(); return !gone.IsZero() })
}

func await(ctx context.Context, t *testing.T, seen func() bool) {
	t.Helper()
	for !seen() {
		select {
		case <-ctx.Done():
			t.Fatal("not seen in time")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestGuideIsFilledInAndFits(t *testing.T) {
	w := newWalk(t)
	parts := w.guide("/tmp/agentdisconnect-0123456789/env", "/home/somebody/src/agentdisconnect")
	if len(parts) < 5 {
		t.Errorf("%d parts", len(parts))
	}
	for _, part := range parts {
		if part.title == "" || part.text == "" || strings.Contains(part.text, "<no value>") {
			t.Errorf("%q: %q", part.title, part.text)
		}
		if !regexp.MustCompile(`^[A-Za-z0-9 ,.:-]+$`).MatchString(part.title) {
			t.Errorf("a shell without comments reads more than words in %q", part.title)
		}
		if out, err := exec.CommandContext(t.Context(), "bash", "-n", "-c", part.text).CombinedOutput(); err != nil {
			t.Errorf("%s is no script: %v\n%s", part.title, err, out)
		}
		for line := range strings.Lines(part.title + "\n" + part.text) {
			if utf8.RuneCountInString(strings.TrimSpace(line)) > screen.Width {
				t.Errorf("wider than the screen: %s", line)
			}
		}
	}
}

func TestColumnsOfKubectl(t *testing.T) {
	rows := columns("NAME   STATE         EXPIRES   AGE\ndemo   Discovering             0s\n")
	if len(rows) != 2 || !slices.Equal(rows[1].Cells, []string{"demo", "Discovering", "", "0s"}) {
		t.Errorf("got %q", rows)
	}
}
