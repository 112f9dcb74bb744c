// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const alarmARN = "arn:aws:cloudwatch:ap-northeast-1:123456789012:alarm:"

// stoppedBy is a spec with stop conditions.
func stoppedBy(alarms ...string) fields {
	var all []any
	for _, name := range alarms {
		all = append(all, fields{"cloudWatchAlarm": name})
	}
	return fields{"stopConditions": all}
}

var _ = Describe("Stop conditions", func() {
	DescribeTable("name alarms of CloudWatch", func(ctx context.Context, spec fields) {
		stored(ctx, spec)
	},
		Entry("by name", stoppedBy("checkout-errors")),
		Entry("by a name of any letters", stoppedBy("Checkout: too many errors (5xx) / ünïcode")),
		Entry("by the longest name", stoppedBy(strings.Repeat("x", 255))),
		Entry("by ARN", stoppedBy(alarmARN+"checkout: errors")),
		Entry("by an ARN of another partition", stoppedBy("arn:aws-cn:cloudwatch:cn-north-1:123456789012:alarm:x", "arn:aws-us-gov:cloudwatch:us-gov-east-1:123456789012:alarm:x")),
		Entry("of any characters", stoppedBy(" Zahlung/β: 50 % \"errors\" \\ {'1'}*", alarmARN+" Zahlung/β: 50 % \"errors\" \\ {'1'}*")),
		Entry("five of them", stoppedBy("a", "b", "c", "d", "e")),
	)

	const sentence = "must be the name of a CloudWatch alarm, 255 characters at most, or its ARN, such as arn:aws:cloudwatch:ap-northeast-1:123456789012:alarm:checkout-errors"
	DescribeTable("are refused with a sentence", func(ctx context.Context, spec fields, where, message string) {
		Expect(complaints(kube.Create(ctx, object(spec)))).To(ContainElement(And(HavePrefix(where), ContainSubstring(message))))
	},
		Entry("without one", fields{"stopConditions": list()}, "spec.stopConditions", "should have at least 1 items"),
		Entry("six of them", stoppedBy("a", "b", "c", "d", "e", "f"), "spec.stopConditions", "Too many: 6: must have at most 5 items"),
		Entry("of no kind", fields{"stopConditions": []any{fields{}}}, "spec.stopConditions[0].cloudWatchAlarm", "Required value"),
		Entry("with a name that is too long", stoppedBy(strings.Repeat("x", 256)), "spec.stopConditions[0].cloudWatchAlarm", sentence),
		Entry("with a line break", stoppedBy("a\nb"), "spec.stopConditions[0].cloudWatchAlarm", sentence),
		Entry("with a tab in an ARN", stoppedBy(alarmARN+"a\tb"), "spec.stopConditions[0].cloudWatchAlarm", sentence),
		Entry("with the ARN of something else", stoppedBy("arn:aws:sns:ap-northeast-1:123456789012:topic"), "spec.stopConditions[0].cloudWatchAlarm", sentence),
		Entry("with an ARN without a name", stoppedBy(alarmARN), "spec.stopConditions[0].cloudWatchAlarm", sentence),
	)
})

var _ = Describe("An AgentDisconnectHalt", func() {
	halt := func(name string, spec *v1alpha1.AgentDisconnectHaltSpec) *v1alpha1.AgentDisconnectHalt {
		return &v1alpha1.AgentDisconnectHalt{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
	}

	It("needs no spec, and may say who asked for it and why", func(ctx context.Context) {
		for name, spec := range map[string]*v1alpha1.AgentDisconnectHaltSpec{
			"bare": nil, "empty": {}, "full": {Reason: strings.Repeat("r", 256), RequestedBy: strings.Repeat("w", 256)},
		} {
			obj := halt(name, spec)
			Expect(kube.Create(ctx, obj)).To(Succeed(), name)
			Expect(kube.Delete(ctx, obj)).To(Succeed())
		}
	})

	It("is bounded, as the status of runs is that names it", func(ctx context.Context) {
		Expect(kube.Create(ctx, halt("long", &v1alpha1.AgentDisconnectHaltSpec{Reason: strings.Repeat("r", 257)}))).To(MatchError(ContainSubstring("may not be more than 256")))
		Expect(kube.Create(ctx, halt("long", &v1alpha1.AgentDisconnectHaltSpec{RequestedBy: strings.Repeat("w", 257)}))).To(MatchError(ContainSubstring("may not be more than 256")))
		Expect(kube.Create(ctx, halt(strings.Repeat("n", 64), nil))).To(MatchError(ContainSubstring("metadata.name must have at most 63 characters")))
	})
})
