// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
)

// touch writes the object as another writer would.
func touch(ctx context.Context, obj client.Object) error {
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"example.com/touched":"%d"}}}`, time.Now().UnixNano())
	target := &v1alpha1.AgentDisconnect{}
	target.Namespace, target.Name = obj.GetNamespace(), obj.GetName()
	return kube.Patch(ctx, target, client.RawPatch(types.MergePatchType, patch))
}

var _ = Describe("A write to the API server that goes wrong", func() {
	It("doesn't change how a run ends, whichever write it is", func(ctx context.Context) {
		kinds := map[string]func(obj client.Object, after bool) error{
			"was overtaken by another writer's": func(obj client.Object, after bool) error {
				if after {
					return nil
				}
				return touch(ctx, obj)
			},
			"was refused with 500": func(_ client.Object, after bool) error {
				if after {
					return nil
				}
				return apierrors.NewInternalError(errors.New("etcd has no leader"))
			},
			"lost its answer": func(_ client.Object, after bool) error {
				if !after {
					return nil
				}
				return errors.New("connection reset by peer")
			},
		}
		prepare := func(n int64, kind func(client.Object, bool) error) (w *world, a *violations, writes *atomic.Int64) {
			w, a = audited(ctx)
			writes = &atomic.Int64{}
			w.boot(func(p *process) {
				p.meddle = func(obj client.Object, after bool) error {
					if !after {
						writes.Add(1)
					}
					if writes.Load() != n {
						return nil
					}
					return kind(obj, after)
				}
			})
			w.honest(a)
			return w, a, writes
		}
		w, a, writes := prepare(0, nil)
		Expect(w.shortfall(w.shortRun(ctx), a)).To(BeEmpty(), "the run without a fault")
		Expect(writes.Load()).To(BeNumerically(">", 8))

		var scenarios []scenario
		for n := range writes.Load() {
			for name, kind := range kinds {
				w, a, _ := prepare(n+1, kind)
				scenarios = append(scenarios, scenario{fmt.Sprintf("write %d %s", n+1, name), func() string { return w.shortfall(w.shortRun(ctx), a) }})
			}
		}
		all(scenarios)
	})

	It("because a third party writes the object all the time doesn't keep rules from being recorded", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.create(ctx)
		w.sim.Faults().After("ec2:CreateNetworkAclEntry", func(c call.Call) {
			if !c.DryRun {
				Expect(touch(ctx, obj)).To(Succeed())
			}
		})
		w.run(ctx, 20*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateBlocking), describe(seen))
		Expect(seen.Status.Rules).To(HaveEach(HaveField("State", v1alpha1.RuleInstalled)))
	})

	It("because a third party edits the ledger during the restoration doesn't keep the rest from going", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		// Rule 81 was taken by a third party, so its line is dropped on sight; meanwhile another one drops the line of rule 80.
		Expect(w.sim.Region().ReplaceNetworkACLEntry(aclID, deny(81, "198.51.100.0/24"))).To(Succeed())
		var edited atomic.Bool
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.sim.Faults().After("ec2:DescribeNetworkAcls", func(call.Call) {
			if edited.CompareAndSwap(false, true) {
				w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.Rules = status.Rules[1:] })
			}
		})
		w.run(ctx, time.Minute, obj)
		Expect(edited.Load()).To(BeTrue())
		Expect(w.denies(aclID)).To(HaveLen(2), "what the ledger has goes at once")

		By("what the tags alone claim, once reads show it for long enough")
		w.run(ctx, networkacl.SettleFor, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		Expect(w.denies(aclID)).To(Equal(map[int]string{81: "198.51.100.0/24"}), "the tags still have the line that was dropped by hand")
	})
})
