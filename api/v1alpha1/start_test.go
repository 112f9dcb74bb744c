// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// timeForm is the pattern of a time in the status, which the controller alone writes.
	timeForm      = `^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	startRule     = "must be a time of the years 2000 to 2999 in whole seconds, such as 2026-01-02T15:04:05Z or 2026-01-02T15:04:05+09:00"
	deadlineLater = "spec.startDeadline: Invalid value: startDeadline must be later than startAfter"
	runIDRule     = "must consist of letters, digits, '-', '_' and '.', with a letter or digit at both ends, such as 2026-01-02 or v1.2.3"
)

var _ = Describe("When a run starts", func() {
	Context("startAfter and startDeadline", func() {
		DescribeTable("accept", func(ctx context.Context, text string) {
			meant, err := time.Parse(time.RFC3339, text)
			Expect(err).NotTo(HaveOccurred())
			obj, err := decoded(stored(ctx, fields{"startAfter": text}))
			Expect(err).NotTo(HaveOccurred())
			Expect(obj.Spec.StartAfter.Equal(&metav1.Time{Time: meant})).To(BeTrue())
			obj, err = decoded(stored(ctx, fields{"startDeadline": text}))
			Expect(err).NotTo(HaveOccurred())
			Expect(obj.Spec.StartDeadline.Equal(&metav1.Time{Time: meant})).To(BeTrue())
		},
			Entry("a time", "2026-01-02T15:04:05Z"),
			Entry("a time long ago", "2000-01-01T00:00:00Z"),
			Entry("a time far ahead", "2999-12-31T23:59:59Z"),
			Entry("a leap day", "2028-02-29T00:00:00Z"),
			Entry("a time in Japan", "2026-01-02T15:04:05+09:00"),
			Entry("a time in Newfoundland", "2026-01-02T15:04:05-03:30"),
		)

		DescribeTable("refuse", func(ctx context.Context, text string) {
			for _, field := range []string{"startAfter", "startDeadline"} {
				all := complaints(kube.Create(ctx, object(fields{field: text})))
				Expect(all).NotTo(BeEmpty())
				Expect(all).To(HaveEach(HavePrefix("spec." + field + ": Invalid value: ")))
			}
		},
			undecodable,
			Entry("a time with a fraction of a second", "2026-01-02T15:04:05.5Z"),
			Entry("a leap day of another year", "2026-02-29T00:00:00Z"),
			Entry("the leap day of a century without one", "2100-02-29T00:00:00Z"),
			Entry("month 13", "2026-13-01T00:00:00Z"),
			Entry("day 0", "2026-01-00T00:00:00Z"),
			Entry("minute 60", "2026-01-02T15:60:00Z"),
			Entry("a year that is over", "1999-12-31T23:59:59Z"),
			Entry("a year of five digits", "22026-01-02T15:04:05Z"),
			Entry("a line break behind", "2026-01-02T15:04:05Z\n"),
			Entry("digits of another script", "２026-01-02T15:04:05Z"),
		)

		It("say what is wrong", func(ctx context.Context) {
			Expect(complaints(kube.Create(ctx, object(fields{"startAfter": "2026-01-02T15:04:05.5Z"})))).To(ConsistOf(
				invalid("spec.startAfter", "2026-01-02T15:04:05.5Z", startRule)))
			Expect(complaints(kube.Create(ctx, object(fields{"startDeadline": "2026-02-30T00:00:00Z"})))).To(ConsistOf(
				invalid("spec.startDeadline", "2026-02-30T00:00:00Z", `spec.startDeadline in body must be of type date-time: "2026-02-30T00:00:00Z"`)))
			Expect(complaints(kube.Create(ctx, object(fields{"startAfter": 1767366245})))).To(ContainElement(
				`spec.startAfter: Invalid value: "int64": spec.startAfter in body must be of type date-time: "int64"`))
		})

		// The pattern, the format and Go's parser agree on every date and time of day, whether it exists or not.
		It("accept exactly what decodes, of all that has the form of a time", func(ctx context.Context) {
			random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 0))
			for range 300 {
				text := fmt.Sprintf("2%03d-%02d-%02dT%02d:%02d:%02dZ", random.IntN(1000), random.IntN(14), random.IntN(33), random.IntN(26), random.IntN(62), random.IntN(62))
				if random.IntN(2) == 0 { // the ends of months
					text = fmt.Sprintf("2%03d-%02d-%02dT00:00:00Z", random.IntN(1000), 1+random.IntN(12), 28+random.IntN(5))
				}
				meant, parses := time.Parse(time.RFC3339, text)
				By(fmt.Sprintf("%q, which is a time: %t", text, parses == nil))

				u := object(fields{"startAfter": text})
				err := kube.Create(ctx, u, client.DryRunAll)
				if parses != nil {
					Expect(complaints(err)).NotTo(BeEmpty())
					continue
				}
				Expect(err).NotTo(HaveOccurred())
				obj, err := decoded(u)
				Expect(err).NotTo(HaveOccurred())
				Expect(obj.Spec.StartAfter.Equal(&metav1.Time{Time: meant})).To(BeTrue())
			}
		})

		It("come one after the other", func(ctx context.Context) {
			between := func(after, deadline string) error {
				return kube.Create(ctx, object(fields{"startAfter": after, "startDeadline": deadline}))
			}
			Expect(between("2026-01-02T15:04:05Z", "2026-01-02T15:04:06Z")).To(Succeed())
			Expect(between("2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z")).To(Succeed())
			Expect(between("2026-01-02T15:04:05+09:00", "2026-01-02T06:04:06Z")).To(Succeed())
			Expect(complaints(between("2026-01-02T06:04:05Z", "2026-01-02T15:04:05+09:00"))).To(ConsistOf(deadlineLater))
			Expect(complaints(between("2026-01-02T15:04:05Z", "2026-01-02T15:04:05Z"))).To(ConsistOf(deadlineLater))
			Expect(complaints(between("2026-01-02T15:04:05Z", "2025-12-31T15:04:05Z"))).To(ConsistOf(deadlineLater))
		})

		It("may be changed, together where one alone would not fit", func(ctx context.Context) {
			u := stored(ctx, fields{"startAfter": "2026-01-02T15:00:00Z", "startDeadline": "2026-01-02T16:00:00Z"})
			Expect(complaints(patchSpec(ctx, u.DeepCopy(), fields{"startAfter": "2026-01-03T15:00:00Z"}))).To(ConsistOf(deadlineLater))
			Expect(complaints(patchSpec(ctx, u.DeepCopy(), fields{"startDeadline": "2026-01-01T15:00:00Z"}))).To(ConsistOf(deadlineLater))
			Expect(patchSpec(ctx, u, fields{"startAfter": "2026-01-03T15:00:00Z", "startDeadline": "2026-01-03T16:00:00Z"})).To(Succeed())
			Expect(patchSpec(ctx, u, fields{"startAfter": nil, "startDeadline": "2026-01-01T15:00:00Z"})).To(Succeed())
		})
	})

	Context("runID", func() {
		DescribeTable("accepts", func(ctx context.Context, runID string) {
			obj, err := decoded(stored(ctx, fields{"runID": runID}))
			Expect(err).NotTo(HaveOccurred())
			Expect(obj.Spec.RunID).To(Equal(runID))
		},
			Entry("a number", "1"),
			Entry("a commit", "8f3b8b0f2c6d4a1e9b7c5d3f1a2b4c6d8e0f1a2b"),
			Entry("a date", "2026-01-02"),
			Entry("a version", "v1.2.3_rc-1"),
			Entry("a UUID in capitals", "3F2504E0-4F89-41D3-9A0C-0305E82C3301"),
			Entry("the longest", strings.Repeat("r", 63)),
		)

		DescribeTable("refuses", func(ctx context.Context, runID any, complaint string) {
			Expect(complaints(kube.Create(ctx, object(fields{"runID": runID})))).To(ConsistOf(complaint))
		},
			Entry("a number that is no string", 1, `spec.runID: Invalid value: "integer": spec.runID in body must be of type string: "integer"`),
			Entry("one that is too long", strings.Repeat("r", 64), "spec.runID: Too long: may not be more than 63 bytes"),
			Entry("a space", "run 1", invalid("spec.runID", "run 1", runIDRule)),
			Entry("a slash", "run/1", invalid("spec.runID", "run/1", runIDRule)),
			Entry("a sign in front", "-1", invalid("spec.runID", "-1", runIDRule)),
			Entry("a sign behind", "1.", invalid("spec.runID", "1.", runIDRule)),
			Entry("a line break behind", "1\n", invalid("spec.runID", "1\n", runIDRule)),
			Entry("letters of another script", "läuft", invalid("spec.runID", "läuft", runIDRule)),
		)

		It("refuses nothing", func(ctx context.Context) {
			Expect(complaints(kube.Create(ctx, object(fields{"runID": ""})))).To(ContainElement(
				`spec.runID: Invalid value: "": spec.runID in body should be at least 1 chars long`))
		})
	})

	It("may be put off by suspend, which is true or false", func(ctx context.Context) {
		for _, suspend := range []bool{true, false} {
			obj, err := decoded(stored(ctx, fields{"suspend": suspend}))
			Expect(err).NotTo(HaveOccurred())
			Expect(obj.Spec.Suspend).To(HaveValue(Equal(suspend)))
		}
		Expect(complaints(kube.Create(ctx, object(fields{"suspend": "true"})))).To(ConsistOf(
			`spec.suspend: Invalid value: "string": spec.suspend in body must be of type boolean: "string"`))
	})
})

var _ = Describe("ttlSecondsAfterFinished", func() {
	DescribeTable("accepts", func(ctx context.Context, seconds int) {
		obj, err := decoded(stored(ctx, fields{"ttlSecondsAfterFinished": seconds}))
		Expect(err).NotTo(HaveOccurred())
		Expect(obj.Spec.TTLSecondsAfterFinished).To(HaveValue(BeEquivalentTo(seconds)))
	},
		Entry("nothing, for at once", 0),
		Entry("a day", 86400),
		Entry("the most", 1<<31-1),
	)

	DescribeTable("refuses", func(ctx context.Context, seconds any, complaint string) {
		Expect(complaints(kube.Create(ctx, object(fields{"ttlSecondsAfterFinished": seconds})))).To(ContainElement(
			HavePrefix(complaint)))
	},
		Entry("less than nothing", -1, "spec.ttlSecondsAfterFinished: Invalid value: -1: spec.ttlSecondsAfterFinished in body should be greater than or equal to 0"),
		Entry("more than 32 bits", 1<<31, `<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.ttlSecondsAfterFinished`),
		Entry("a fraction", 1.5, `spec.ttlSecondsAfterFinished: Invalid value: "float64": spec.ttlSecondsAfterFinished in body must be of type int32: "float64"`),
		Entry("a duration", "1h", `spec.ttlSecondsAfterFinished: Invalid value: "string": spec.ttlSecondsAfterFinished in body must be of type integer: "string"`),
	)
})
