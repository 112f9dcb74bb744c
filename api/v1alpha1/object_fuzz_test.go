// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// What decodes can be written again and decodes to the same: else a patch of the status would change what no writer changed.
func FuzzObject(f *testing.F) {
	scheme := runtime.NewScheme()
	NewWithT(f).Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	codecs := serializer.NewCodecFactory(scheme)
	full, err := json.Marshal(&v1alpha1.AgentDisconnect{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "AgentDisconnect"}, ObjectMeta: metav1.ObjectMeta{Name: "a"}, Status: smallest(),
	})
	NewWithT(f).Expect(err).NotTo(HaveOccurred())
	f.Add(full)
	head := `{"apiVersion":"chaos.agentdisconnect.dev/v1alpha1","kind":"AgentDisconnect","metadata":{"name":"a"},`
	for _, body := range []string{
		`"spec":{"cluster":"demo","subnetID":"subnet-0a1b2c3d","duration":"10m","suspend":false,"ttlSecondsAfterFinished":0}}`,
		`"spec":{"duration":"1h30m5.5s","sessions":[],"additionalEndpoints":{}}}`, `"spec":{"duration":"2562047h47m16.854775807s"}}`, `"spec":null,"status":{}}`,
		`"status":{"startTime":"2026-01-02T03:04:05+09:00","completionTime":null}}`, `"status":{"startTime":"2999-12-31T23:59:59.999999999Z"}}`,
		`"status":{"abort":{"reason":"A","time":null},"plan":{"time":"0001-01-01T00:00:00Z"}}}`, `"status":{"conditions":[{}],"rules":[{},{}],"agents":{"total":-1}}}`,
		`"status":{"networkACL":{"deadManSwitch":{"state":"Arming","ruleNumbers":[1,1],"time":"2026-01-02T03:04:05Z"},"baseline":[""]}}}`,
	} {
		f.Add([]byte(head + body))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		g := NewWithT(t)
		decode := func(text []byte) (*v1alpha1.AgentDisconnect, error) {
			obj := &v1alpha1.AgentDisconnect{}
			return obj, runtime.DecodeInto(codecs.UniversalDeserializer(), text, obj)
		}
		read, err := decode(text)
		if err != nil || len(read.ManagedFields) > 0 {
			return
		}
		g.Expect(equality.Semantic.DeepEqual(read.DeepCopy(), read)).To(BeTrue())
		written, err := json.Marshal(read)
		if err != nil {
			return // a time of a year that the API server's pattern doesn't take
		}
		again, err := decode(written)
		g.Expect(err).NotTo(HaveOccurred(), "%s", written)
		rewritten, err := json.Marshal(again)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(rewritten)).To(Equal(string(written)))
		g.Expect(again.Spec.Duration).To(Equal(read.Spec.Duration))
		g.Expect(again.Status.Rules).To(HaveLen(len(read.Status.Rules)))
	})
}

// smallest is a status with one of everything.
func smallest() v1alpha1.AgentDisconnectStatus {
	s := fullest()
	s.Conditions, s.Endpoints, s.Rules, s.Plan = s.Conditions[:1], s.Endpoints[:1], s.Rules[:1], nil
	s.Endpoints[0].Addresses, s.NetworkACL.Baseline, s.NetworkACL.CarryOver = s.Endpoints[0].Addresses[:1], s.NetworkACL.Baseline[:1], nil
	s.Agents.ContainerInstances, s.Abort.Message = s.Agents.ContainerInstances[:1], "m"
	return s
}
