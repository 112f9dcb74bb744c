// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

var _ = Describe("The manager's role", func() {
	It("is enough for a whole run, and to delete the object after it", func(ctx context.Context) {
		var role rbacv1.ClusterRole
		text, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", "role.yaml"))
		Expect(err).NotTo(HaveOccurred())
		Expect(yaml.UnmarshalStrict(text, &role)).To(Succeed())
		role.ResourceVersion, role.Name = "", "limits-test-manager"
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role.Name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "manager"}},
		}
		for _, obj := range []client.Object{&role, binding} {
			Expect(kube.Create(ctx, obj)).To(Succeed())
			DeferCleanup(func(ctx context.Context) { Expect(kube.Delete(ctx, obj)).To(Succeed()) })
		}
		user, err := control.AddUser("manager")
		Expect(err).NotTo(HaveOccurred())

		w := newWorld(ctx)
		w.follow()
		obj := w.create(ctx, keptFor(1), within(time.Hour))
		w.manageAs(ctx, user)
		Eventually(func() string { return w.state(ctx, obj) }).Should(Equal(v1alpha1.StateBlocking))
		started := w.get(ctx, obj).Status.StartTime.Time
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) {
			status.StartTime = &metav1.Time{Time: started.Add(-2 * time.Hour)}
			status.ExpirationTime = &metav1.Time{Time: started.Add(-time.Hour)}
		})
		Eventually(func() bool { return w.gone(ctx, obj) }).Should(BeTrue())
		w.expectRestored()
	})
})
