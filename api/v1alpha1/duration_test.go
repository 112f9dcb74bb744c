// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const durationRule = "must be from 1m to 12h in whole hours, minutes and seconds, such as 10m or 1h30m"

var _ = Describe("duration", func() {
	DescribeTable("accepts", func(ctx context.Context, text string, meant time.Duration) {
		obj, err := decoded(stored(ctx, fields{"duration": text}))
		Expect(err).NotTo(HaveOccurred())
		Expect(obj.Spec.Duration.Duration).To(Equal(meant))
	},
		Entry("the shortest", "1m", time.Minute),
		Entry("the shortest in seconds", "60s", time.Minute),
		Entry("the longest", "12h", 12*time.Hour),
		Entry("the longest in full", "12h0m0s", 12*time.Hour),
		Entry("the longest in minutes", "720m", 12*time.Hour),
		Entry("the longest in seconds", "43200s", 12*time.Hour),
		Entry("minutes beyond the hour", "90m", 90*time.Minute),
		Entry("hours and minutes", "1h30m", 90*time.Minute),
		Entry("all three", "1h2m3s", time.Hour+2*time.Minute+3*time.Second),
		Entry("hours and seconds", "1h1s", time.Hour+time.Second),
		Entry("leading zeros", "00010m", 10*time.Minute),
	)

	DescribeTable("refuses", func(ctx context.Context, text string) {
		Expect(complaints(kube.Create(ctx, object(fields{"duration": text})))).To(ConsistOf(invalid("spec.duration", text, durationRule)))
	},
		Entry("too short by a second", "59s"),
		Entry("too long by a second", "12h1s"),
		Entry("far too long", "99999h"),
		Entry("so long that it can't be counted", "9999999999h"),
		Entry("nothing", ""),
		Entry("zero", "0"),
		Entry("zero with a unit", "0s"),
		Entry("a fraction", "1.5h"),
		Entry("no unit", "10"),
		Entry("less than nothing", "-5m"),
		Entry("a sign", "+5m"),
		Entry("days", "1d"),
		Entry("milliseconds", "60000ms"),
		Entry("nanoseconds behind", "10m0ns"),
		Entry("units in another order", "5m1h"),
		Entry("a unit twice", "5m5m"),
		Entry("capitals", "10M"),
		Entry("ISO 8601", "PT10M"),
		Entry("a space in front", " 10m"),
		Entry("a space behind", "10m "),
		Entry("a space between", "1h 30m"),
		Entry("a line break behind", "10m\n"),
		Entry("digits of another script", "１０m"),
	)

	It("refuses what is no string, and what is too long to be one", func(ctx context.Context) {
		Expect(complaints(kube.Create(ctx, object(fields{"duration": 600})))).To(ConsistOf(
			`spec.duration: Invalid value: "integer": spec.duration in body must be of type string: "integer"`))
		Expect(complaints(kube.Create(ctx, object(fields{"duration": strings.Repeat("0", 16) + "10m"})))).To(ConsistOf(
			"spec.duration: Too long: may not be more than 18 bytes"))
	})

	// The rule in CEL, Go's parser and the bounds agree on every text, whatever it is made of.
	It("accepts exactly what decodes to 1m to 12h", func(ctx context.Context) {
		form := regexp.MustCompile(`^(\d{1,5}h)?(\d{1,5}m)?(\d{1,5}s)?$`)
		random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 0))
		pieces := []string{"0", "1", "2", "5", "9", "12", "59", "60", "720", "h", "m", "s", "h", "m", "s", "ms", ".", "-", " "}
		for range 300 {
			var text strings.Builder
			for range 1 + random.IntN(6) {
				text.WriteString(pieces[random.IntN(len(pieces))])
			}
			meant, err := time.ParseDuration(text.String())
			fits := err == nil && form.MatchString(text.String()) && meant >= time.Minute && meant <= 12*time.Hour
			By(fmt.Sprintf("%q, which %t", text.String(), fits))

			u := object(fields{"duration": text.String()})
			err = kube.Create(ctx, u, client.DryRunAll)
			if !fits {
				Expect(complaints(err)).To(ConsistOf(invalid("spec.duration", text.String(), durationRule)))
				continue
			}
			Expect(err).NotTo(HaveOccurred())
			obj, err := decoded(u)
			Expect(err).NotTo(HaveOccurred())
			Expect(obj.Spec.Duration.Duration).To(Equal(meant))
		}
	})

	It("may be changed, to a shorter and to a longer one", func(ctx context.Context) {
		u := stored(ctx, fields{"duration": "10m"})
		Expect(patchSpec(ctx, u, fields{"duration": "1m"})).To(Succeed())
		Expect(patchSpec(ctx, u, fields{"duration": "12h"})).To(Succeed())
		Expect(u.GetGeneration()).To(Equal(int64(3)))
		Expect(complaints(patchSpec(ctx, u, fields{"duration": "13h"}))).To(ConsistOf(invalid("spec.duration", "13h", durationRule)))
	})
})
