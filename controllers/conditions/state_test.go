// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

func TestStateIsTheReasonOfSucceeded(t *testing.T) {
	g := NewWithT(t)
	f := facing(run.Active, discovered, started)
	Set(f)
	g.Expect(f.Object.Status.State).To(Equal(meta.FindStatusCondition(f.Object.Status.Conditions, v1alpha1.ConditionSucceeded).Reason))
	g.Expect(f.Object.Status.State).To(Equal(v1alpha1.StateInstalling))

	f.Phase, f.Object.Status.Rules = run.Suspended, nil
	Set(f)
	g.Expect(f.Object.Status.State).To(Equal(v1alpha1.StateSuspended))
}

func TestStateOfARunThatAnEarlierVersionFinished(t *testing.T) {
	g := NewWithT(t)
	f := facing(run.Active, discovered, started)
	Set(f)
	f.Object.Status.State = ""
	f.Phase = run.Finished
	Set(f)
	g.Expect(f.Object.Status.State).To(Equal(v1alpha1.StateInstalling))
}
