// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/robfig/cron/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// scheduled is a valid schedule with some fields of its spec and of its template's spec changed. A nil value
// leaves the field out.
func scheduled(changes, ofRun fields) *unstructured.Unstructured {
	u := object(ofRun)
	run := u.Object["spec"]
	spec := fields{"schedule": "0 2 * * 1-5", "template": fields{"spec": run}}
	maps.Copy(spec, changes)
	u.Object["spec"] = spec
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("AgentDisconnectSchedule"))
	return u
}

var _ = Describe("A schedule", func() {
	DescribeTable("accepts the times", func(ctx context.Context, schedule string) {
		Expect(kube.Create(ctx, scheduled(fields{"schedule": schedule}, nil))).To(Succeed())
		_, err := cron.ParseStandard(schedule)
		Expect(err).NotTo(HaveOccurred())
	},
		Entry("every minute", "* * * * *"),
		Entry("a time of working days", "0 2 * * 1-5"),
		Entry("numbers with a leading zero", "05 02 01 01 0"),
		Entry("lists, ranges and steps", "0,15,30-45/5 */6 1-10/2,31 1,6-12 0,3-6"),
		Entry("names", "0 9 * jan-MAR,Dec mon-Fri,sun"),
		Entry("a step of one number", "5/15 * * * *"),
	)

	DescribeTable("refuses, and says which field is wrong", func(ctx context.Context, schedule, want string) {
		Expect(complaints(kube.Create(ctx, scheduled(fields{"schedule": schedule}, nil)))).To(ContainElement(
			HavePrefix(fmt.Sprintf("spec.schedule: Invalid value: %q: %s", schedule, want))))
	},
		Entry("a word", "@midnight", "must have five fields with one space between them"),
		Entry("four fields, which is what a slip leaves", "0 2 * 1-5", "must have five fields with one space between them"),
		Entry("six fields", "0 0 2 * * 1-5", "must have five fields with one space between them"),
		Entry("two spaces", "0  2 * * 1-5", "must have five fields with one space between them"),
		Entry("a time zone in front", "CRON_TZ=UTC 0 2 * * *", "must have five fields with one space between them"),
		Entry("minute 60", "60 2 * * *", "the first field, the minute, must be"),
		Entry("hour 24", "0 24 * * *", "the second field, the hour, must be"),
		Entry("day 32", "0 2 32 * *", "the third field, the day of the month, must be"),
		Entry("day 0", "0 2 0 * *", "the third field, the day of the month, must be"),
		Entry("month 13", "0 2 * 13 *", "the fourth field, the month, must be"),
		Entry("a month that is none", "0 2 * foo *", "the fourth field, the month, must be"),
		Entry("day of the week 7", "0 2 * * 7", "the fifth field, the day of the week, must be"),
		Entry("a comma at the end", "0, 2 * * *", "the first field, the minute, must be"),
		Entry("nothing between commas", "0,,5 2 * * *", "the first field, the minute, must be"),
		Entry("a step of nothing", "*/0 2 * * *", "the first field, the minute, must be"),
		Entry("the last day", "0 2 L * *", "the third field, the day of the month, must be"),
		Entry("a line break behind", "0 2 * * *\n", "the fifth field, the day of the week, must be"),
	)

	// What the API server takes and the manager can't read would be found out only at the next look at the status.
	It("accepts nothing that can't be parsed but ranges that run backwards", func(ctx context.Context) {
		random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 0))
		words := []string{"*", "0", "5", "7", "12", "23", "24", "31", "59", "60", "jan", "mon", "-", "/", ",", "2", "1", "*/", "1-"}
		accepted := 0
		for range 300 {
			parts := []string{"*", "*", "*", "*", "*"}
			changed := random.IntN(len(parts))
			parts[changed] = ""
			for len(parts[changed]) == 0 || random.IntN(2) == 0 {
				parts[changed] += words[random.IntN(len(words))]
			}
			text := strings.Join(parts, " ")
			if err := kube.Create(ctx, scheduled(fields{"schedule": text}, nil), client.DryRunAll); err != nil {
				complaints(err)
				continue
			}
			accepted++
			if _, err := cron.ParseStandard(text); err != nil {
				Expect(err).To(MatchError(ContainSubstring("beyond end of range")), text)
			}
		}
		Expect(accepted).To(BeNumerically(">", 10))
	})

	DescribeTable("refuses", func(ctx context.Context, changes, ofRun fields, want string) {
		Expect(complaints(kube.Create(ctx, scheduled(changes, ofRun)))).To(ContainElement(ContainSubstring(want)))
	},
		Entry("the zone of whoever runs the manager", fields{"timeZone": "Local"}, nil, "spec.timeZone: Invalid value: \"Local\": must be the name of a time zone in the IANA database"),
		Entry("a path as zone", fields{"timeZone": "../../etc/passwd"}, nil, "spec.timeZone"),
		Entry("a deadline that is shorter than a start takes", fields{"startingDeadline": "30s"}, nil, "spec.startingDeadline: Invalid value: \"30s\": must be from 1m to 12h"),
		Entry("another policy", fields{"concurrencyPolicy": "Allow"}, nil, "spec.concurrencyPolicy: Unsupported value: \"Allow\""),
		Entry("a limit below nothing", fields{"failedRunsHistoryLimit": -1}, nil, "spec.failedRunsHistoryLimit"),
		Entry("a start of its own in the template", nil, fields{"startAfter": "2026-01-02T15:04:05Z"}, "spec.template.spec.startAfter: Invalid value: is set by the schedule for each run"),
		Entry("a deadline in the template", nil, fields{"startDeadline": "2026-01-02T15:04:05Z"}, "spec.template.spec.startDeadline: Invalid value: is set by the schedule for each run"),
		Entry("runs that delete themselves", nil, fields{"ttlSecondsAfterFinished": 0}, "spec.template.spec.ttlSecondsAfterFinished: Invalid value: would delete runs before the schedule has seen what became of them"),
		Entry("a template that never begins", nil, fields{"suspend": true}, "spec.template.spec.suspend: Invalid value: would keep every run from beginning"),
		Entry("what a run would be refused for", nil, fields{"duration": "13h"}, "spec.template.spec.duration: Invalid value: \"13h\": must be from 1m to 12h"),
		Entry("a template without a cluster", nil, fields{"cluster": nil}, "spec.template.spec.cluster: Required value"),
	)

	It("refuses a name that leaves no room for those of runs", func(ctx context.Context) {
		u := scheduled(nil, nil)
		u.SetName(strings.Repeat("a", 53))
		Expect(complaints(kube.Create(ctx, u))).To(ConsistOf(ContainSubstring("metadata.name must have at most 52 characters")))
		u.SetName(strings.Repeat("a", 52))
		Expect(kube.Create(ctx, u)).To(Succeed())
	})

	It("may name another target later, as a run may not", func(ctx context.Context) {
		u := scheduled(nil, fields{"region": "eu-west-1"})
		Expect(kube.Create(ctx, u)).To(Succeed())
		Expect(patchSpec(ctx, u, fields{"template": fields{"spec": fields{"cluster": "other", "subnetID": "subnet-0123456789abcdef0", "region": nil}}})).To(Succeed())
	})

	It("defaults nothing, and starts as not looked at", func(ctx context.Context) {
		u := scheduled(nil, nil)
		Expect(kube.Create(ctx, u)).To(Succeed())
		Expect(u.Object["spec"]).To(HaveLen(2))
		Expect(u.Object["status"]).To(Equal(fields{"observedGeneration": int64(-1)}))
	})
})
