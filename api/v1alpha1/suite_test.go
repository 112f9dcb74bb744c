// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/controlplane"
)

var (
	control *controlplane.ControlPlane
	kube    client.Client
)

func TestSpecs(t *testing.T) {
	// It bounds what would never come. No spec depends on how fast the machine is.
	SetDefaultEventuallyTimeout(5 * time.Minute)
	RegisterFailHandler(Fail)
	RunSpecs(t, "AgentDisconnect API")
}

var _ = BeforeSuite(func(context.Context) {
	var err error
	control, err = controlplane.Start(controlplane.Options{SpareCPU: true})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(control.Close()).To(Succeed()) })
	kube = control.Client
})

// fields is a part of a manifest, as a user writes it: the Go types could not express most of what is refused.
type fields = map[string]any

// object is a valid object with some fields of its spec changed. A nil value leaves the field out.
func object(changes fields) *unstructured.Unstructured {
	spec := fields{"cluster": "demo", "subnetID": "subnet-0a1b2c3d4e5f67890", "duration": "10m"}
	maps.Copy(spec, changes)
	maps.DeleteFunc(spec, func(_ string, value any) bool { return value == nil })
	u := &unstructured.Unstructured{Object: fields{"spec": spec}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("AgentDisconnect"))
	u.SetNamespace("default")
	u.SetGenerateName("test-")
	return u
}

// stored is what create makes of an object.
func stored(ctx context.Context, changes fields) *unstructured.Unstructured {
	GinkgoHelper()
	u := object(changes)
	Expect(kube.Create(ctx, u)).To(Succeed())
	return u
}

// patchSpec changes fields of the spec. A nil value takes the field out.
func patchSpec(ctx context.Context, u *unstructured.Unstructured, changes fields) error {
	return kube.Patch(ctx, u, mergePatch(fields{"spec": changes}))
}

// patchStatus changes fields of the status, as the controller does and as anyone may who has the permission.
func patchStatus(ctx context.Context, u *unstructured.Unstructured, changes fields) error {
	return kube.Status().Patch(ctx, u, mergePatch(fields{"status": changes}))
}

func mergePatch(changes fields) client.Patch {
	body, err := json.Marshal(changes)
	Expect(err).NotTo(HaveOccurred())
	return client.RawPatch(types.MergePatchType, body)
}

// decoded reads an answer of the API server into the Go types, as the informer of the manager does.
func decoded(u *unstructured.Unstructured) (*v1alpha1.AgentDisconnect, error) {
	body, err := u.MarshalJSON()
	if err != nil {
		return nil, err
	}
	obj := &v1alpha1.AgentDisconnect{}
	return obj, json.Unmarshal(body, obj)
}

// complaints are the API server's reasons to refuse an object, each with its field, in the words that a user reads.
func complaints(err error) []string {
	GinkgoHelper()
	Expect(apierrors.IsInvalid(err)).To(BeTrue(), "refused for being invalid, not: %v", err)
	var status apierrors.APIStatus
	Expect(errors.As(err, &status)).To(BeTrue())
	var all []string
	for _, cause := range status.Status().Details.Causes {
		// Where the schema alone refuses an object, the server says that it left out the rules in CEL.
		if !strings.Contains(cause.Message, "some validation rules were not checked") {
			all = append(all, fmt.Sprintf("%s: %s", cause.Field, cause.Message))
		}
	}
	return all
}
