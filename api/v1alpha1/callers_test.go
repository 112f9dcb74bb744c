// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("The look at callers", func() {
	DescribeTable("is asked for", func(ctx context.Context, callers fields) {
		stored(ctx, fields{"callers": callers})
	},
		Entry("as a report", fields{}),
		Entry("with the shortest time", fields{"recoverWithin": "1m"}),
		Entry("with the longest time", fields{"recoverWithin": "1h0m0s"}),
		Entry("as part of the verdict", fields{"recoverWithin": "90s", "require": "Recovery"}),
	)

	DescribeTable("is refused with a sentence", func(ctx context.Context, spec fields, where, message string) {
		Expect(complaints(kube.Create(ctx, object(spec)))).To(ConsistOf(And(HavePrefix(where), ContainSubstring(message))))
	},
		Entry("too short a time", fields{"callers": fields{"recoverWithin": "59s"}}, "spec.callers.recoverWithin", "must be from 1m to 1h"),
		Entry("too long a time", fields{"callers": fields{"recoverWithin": "1h1s"}}, "spec.callers.recoverWithin", "must be from 1m to 1h"),
		Entry("no time", fields{"callers": fields{"recoverWithin": "soon"}}, "spec.callers.recoverWithin", "must be from 1m to 1h"),
		Entry("another requirement", fields{"callers": fields{"require": "Luck"}}, "spec.callers.require", "Unsupported value"),
		Entry("without ACS", fields{"callers": fields{}, "sessions": list("TCS")}, "spec.callers", "callers need ACS among the sessions"),
	)
})
