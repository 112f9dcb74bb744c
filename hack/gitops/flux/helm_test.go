// SPDX-License-Identifier: Apache-2.0

package flux

import (
	"bytes"

	. "github.com/onsi/gomega"
	"helm.sh/helm/v4/pkg/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericclioptions"
)

// waitByHelm waits for an object as `helm upgrade --wait` does, and helm-controller with it. It fails with what the error is to
// contain; empty: it does not.
func (w *world) waitByHelm(obj *unstructured.Unstructured, failure string) {
	flags := genericclioptions.NewConfigFlags(false)
	flags.KubeConfig, flags.Namespace = &w.Kubeconfig, new("default")
	helm := kube.New(flags)
	text, err := obj.MarshalJSON()
	w.Expect(err).NotTo(HaveOccurred())
	list, err := helm.Build(bytes.NewReader(text), false)
	w.Expect(err).NotTo(HaveOccurred())
	waiter, err := helm.GetWaiter(kube.StatusWatcherStrategy)
	w.Expect(err).NotTo(HaveOccurred())
	err = waiter.Wait(list, patience)
	if failure == "" {
		w.Expect(err).NotTo(HaveOccurred())
		return
	}
	w.Expect(err).To(MatchError(ContainSubstring(failure)))
}
