// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const timeRule = "must be a time of the years 2000 to 2999 as RFC 3339 writes it, such as 2026-01-02T15:04:05Z"

// withTime are status writes with a time in each place that has one.
var withTime = map[string]func(text string) fields{
	"requestTime":    func(text string) fields { return fields{"requestTime": text} },
	"startTime":      func(text string) fields { return fields{"startTime": text} },
	"expirationTime": func(text string) fields { return fields{"expirationTime": text} },
	"enforcedTime":   func(text string) fields { return fields{"enforcedTime": text} },
	"restoredTime":   func(text string) fields { return fields{"restoredTime": text} },
	"recoveredTime":  func(text string) fields { return fields{"recoveredTime": text} },
	"completionTime": func(text string) fields { return fields{"completionTime": text} },
	"conditions[0].lastTransitionTime": func(text string) fields {
		c := condition(0)
		c["lastTransitionTime"] = text
		return fields{"conditions": []any{c}}
	},
	"rules[0].lastAttemptTime": func(text string) fields {
		line := ledgerLine(80)
		line["lastAttemptTime"] = text
		return fields{"rules": []any{line}}
	},
	"agents.observedTime":     func(text string) fields { return fields{"agents": fields{"observedTime": text}} },
	"agents.disconnectedTime": func(text string) fields { return fields{"agents": fields{"disconnectedTime": text}} },
	"agents.reconnectedTime":  func(text string) fields { return fields{"agents": fields{"reconnectedTime": text}} },
	"agents.containerInstances[0].disconnectedTime": func(text string) fields {
		return fields{"agents": fields{"containerInstances": []any{fields{"arn": "arn", "disconnectedTime": text}}}}
	},
	"networkACL.lastAttemptTime": func(text string) fields {
		return fields{"networkACL": fields{"mode": "Clone", "modeReason": "Requested", "lastAttemptTime": text}}
	},
	"networkACL.deadManSwitch.time": func(text string) fields {
		return fields{"networkACL": fields{"mode": "Clone", "modeReason": "Requested", "deadManSwitch": fields{"state": "Armed", "time": text}}}
	},
	"startedWith.startAfter": func(text string) fields {
		return fields{"startedWith": fields{"otherClusters": "Refuse", "onDrift": "Reapply", "startAfter": text}}
	},
	"plan.time":             func(text string) fields { return planned(fields{"time": text}) },
	"probe.lastAttemptTime": func(text string) fields { return probeStatus(fields{"lastAttemptTime": text}) },
	"probe.outcomes[0].firstTime": func(text string) fields {
		outcome := probeOutcome(0)
		outcome["firstTime"] = text
		return probeStatus(fields{"outcomes": []any{outcome}})
	},
	"probe.outcomes[0].lastTime": func(text string) fields {
		outcome := probeOutcome(0)
		outcome["lastTime"] = text
		return probeStatus(fields{"outcomes": []any{outcome}})
	},
	"callers.observedTime":  func(text string) fields { return callersStatus(fields{"observedTime": text}) },
	"callers.completeSince": func(text string) fields { return callersStatus(fields{"completeSince": text}) },
	"callers.completeUntil": func(text string) fields { return callersStatus(fields{"completeUntil": text}) },
	"callers.callers[0].firstAgentTime": func(text string) fields {
		return callersStatus(fields{"callers": []any{caller(fields{"firstAgentTime": text})}})
	},
	"callers.callers[0].lastAgentTime": func(text string) fields {
		return callersStatus(fields{"callers": []any{caller(fields{"lastAgentTime": text})}})
	},
	"callers.callers[0].recoveredTime": func(text string) fields {
		return callersStatus(fields{"callers": []any{caller(fields{"recoveredTime": text})}})
	},
	"abort.time": func(text string) fields { return fields{"abort": fields{"reason": "A", "time": text}} },
	"timeline[0].time": func(text string) fields {
		return fields{"timeline": []any{fields{"type": "Suspended", "time": text}}}
	},
}

// undecodable are texts that metav1.Time does not read, or that it writes in another form. The format date-time alone lets
// the first few through.
var undecodable = []TableEntry{
	Entry("lower case", "2026-01-02t15:04:05z"),
	Entry("another letter for the point", "2026-01-02T15:04:05x123Z"),
	Entry("an offset that there isn't", "2026-01-02T15:04:05+99:99"),
	Entry("something behind", "2026-01-02T15:04:05Ztomorrow"),
	Entry("the zero time, which is written as null", "0001-01-01T00:00:00Z"),
	Entry("a time that is of year 10000 in UTC", "9999-12-31T23:59:59-23:00"),
	Entry("a leap second", "2026-12-31T23:59:60Z"),
	Entry("hour 24", "2026-01-02T24:00:00Z"),
	Entry("a day that there isn't", "2026-02-30T15:04:05Z"),
	Entry("a space", "2026-01-02 15:04:05Z"),
	Entry("no offset", "2026-01-02T15:04:05"),
	Entry("an offset without a colon", "2026-01-02T15:04:05+0900"),
	Entry("no time of day", "2026-01-02"),
	Entry("nothing", ""),
}

// One object that doesn't decode would end the manager's list of all objects, and with it every run's clean-up.
var _ = Describe("Whatever is accepted", func() {
	It("is looked at here in every place that has a time", func() {
		Expect(withTime).To(HaveLen(places(reflect.TypeFor[v1alpha1.AgentDisconnectStatus](), isTime)))
	})

	DescribeTable("has no time that doesn't decode, nor one that changes its form when written again",
		func(ctx context.Context, text string) {
			u := stored(ctx, nil)
			for place, status := range withTime {
				By(place)
				all := complaints(patchStatus(ctx, u.DeepCopy(), status(text)))
				Expect(all).NotTo(BeEmpty())
				Expect(all).To(HaveEach(HavePrefix("status." + strings.TrimSuffix(place, ".lastTransitionTime"))))
			}
		},
		undecodable,
	)

	It("has times that decode to what they say", func(ctx context.Context) {
		for place, status := range withTime {
			By(place)
			u := stored(ctx, nil)
			Expect(patchStatus(ctx, u, status("2026-01-02T15:04:05Z"))).To(Succeed())
			_, err := decoded(u)
			Expect(err).NotTo(HaveOccurred())
		}
	})

	It("says what is wrong with a time", func(ctx context.Context) {
		u := stored(ctx, nil)
		Expect(complaints(patchStatus(ctx, u.DeepCopy(), fields{"startTime": "2026-01-02T15:04:05+09:00"}))).To(ConsistOf(
			invalid("status.startTime", "2026-01-02T15:04:05+09:00", "startTime in body should match '^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$'")))
		status := withTime["conditions[0].lastTransitionTime"]
		Expect(complaints(patchStatus(ctx, u.DeepCopy(), status("0001-01-01T00:00:00Z")))).To(ConsistOf(
			"status.conditions[0].lastTransitionTime: Invalid value: " + timeRule))
		Expect(complaints(patchStatus(ctx, u, status("2026-01-02t15:04:05z")))).To(ConsistOf(
			HaveSuffix("evaluating rule: " + timeRule)))
	})

	It("decodes, however a time is mutilated", func(ctx context.Context) {
		random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 0))
		u := stored(ctx, nil)
		accepted := 0
		for range 300 {
			text := []byte("2026-01-02T15:04:05.678+09:00")
			text = text[:len("2026-01-02T15:04:05")+random.IntN(2)*4]
			text = append(text, []string{"Z", "+09:00", "-23:59"}[random.IntN(3)]...)
			for range random.IntN(3) {
				const letters = "0123456789TtZz:+-., x"
				text[random.IntN(len(text))] = letters[random.IntN(len(letters))]
			}
			for place, status := range map[string]fields{"startTime": withTime["startTime"](string(text)), "condition": withTime["conditions[0].lastTransitionTime"](string(text))} {
				By(fmt.Sprintf("%s %q", place, text))
				answer := u.DeepCopy()
				if err := kube.Status().Patch(ctx, answer, mergePatch(fields{"status": status}), client.DryRunAll); err != nil {
					Expect(complaints(err)).NotTo(BeEmpty())
					continue
				}
				accepted++
				_, err := decoded(answer)
				Expect(err).NotTo(HaveOccurred())
			}
		}
		Expect(accepted).To(BeNumerically(">", 0))
	})

	DescribeTable("has only integers that fit", func(ctx context.Context, status fields, fits bool) {
		u := stored(ctx, nil)
		err := patchStatus(ctx, u, status)
		if !fits {
			Expect(complaints(err)).NotTo(BeEmpty())
			return
		}
		Expect(err).NotTo(HaveOccurred())
		_, err = decoded(u)
		Expect(err).NotTo(HaveOccurred())
	},
		Entry("the largest of 64 bits", fields{"observedGeneration": uint64(1<<63 - 1)}, true),
		Entry("more than 64 bits", fields{"observedGeneration": uint64(1 << 63)}, false),
		Entry("far more than 64 bits", fields{"observedGeneration": 1e21}, false),
		Entry("a whole number with an exponent", fields{"observedGeneration": 1e3}, true),
		Entry("a fraction", fields{"observedGeneration": 1.5}, false),
		Entry("the largest of 32 bits", fields{"driftRepairs": 1<<31 - 1}, true),
		Entry("more than 32 bits", fields{"driftRepairs": 1 << 31}, false),
		Entry("more agents than 32 bits", fields{"agents": fields{"total": 1 << 31}}, false),
		Entry("more clones than 32 bits", fields{"networkACL": fields{"mode": "Clone", "modeReason": "Requested", "attempt": 1 << 31}}, false),
		Entry("as little headroom as 32 bits hold", planned(fields{"headroom": fields{"entryQuota": 20, "ipv4Entries": -1 << 31}}), true),
		Entry("less headroom than 32 bits hold", planned(fields{"headroom": fields{"entryQuota": 20, "ipv4Entries": -1<<31 - 1}}), false),
		Entry("a plan of a generation beyond 64 bits", planned(fields{"observedGeneration": uint64(1 << 63)}), false),
		Entry("a text", fields{"driftRepairs": "1"}, false),
	)

	It("decodes as part of the list that the manager watches", func(ctx context.Context) {
		Expect(kube.Create(ctx, object(nil))).To(Succeed())
		Expect(kube.List(ctx, &v1alpha1.AgentDisconnectList{})).To(Succeed())
	})
})
