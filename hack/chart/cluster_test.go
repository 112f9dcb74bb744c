// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

// cluster is a real API server without kubelets: pods are not run.
type cluster struct {
	*stack.Stack
	admin string // the administrator's kubeconfig
}

func start(t *testing.T) *cluster {
	t.Helper()
	tool(t, "helm")
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set: run it through make test")
	}
	g := NewWithT(t)
	s, err := stack.Start(t.Context(), stack.Options{Simulator: sim.Options{NoAgents: true}, NoManager: true})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = s.Close() })
	c := &cluster{Stack: s, admin: s.Kubeconfig}
	// The control plane comes with the CRDs; a new cluster does not.
	_, err = c.kubectl(t, "delete", "crd", "--all")
	g.Expect(err).NotTo(HaveOccurred())
	return c
}

func (c *cluster) kubectl(t *testing.T, args ...string) (stdout string, err error) {
	return command(t, []string{"KUBECONFIG=" + c.admin}, c.Kubectl, args...)
}

func (c *cluster) make(t *testing.T, args ...string) (stdout string, err error) {
	return command(t, []string{"KUBECONFIG=" + c.admin}, "make", append(args, "KUBECTL="+c.Kubectl)...)
}

func (c *cluster) helm(t *testing.T, args ...string) (stdout string, err error) {
	return helm(t, c.admin, append(args, "--namespace="+system)...)
}

func (c *cluster) args(ctx context.Context, g Gomega) []string {
	var d appsv1.Deployment
	g.Expect(c.Client.Get(ctx, client.ObjectKey{Namespace: system, Name: manager}, &d)).To(Succeed())
	return d.Spec.Template.Spec.Containers[0].Args
}

// setByHand adds a flag to the Deployment.
func (c *cluster) setByHand(t *testing.T, g Gomega, arg string) {
	_, err := c.kubectl(t, "-n", system, "patch", "deployment", manager, "--type=json",
		`-p=[{"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"`+arg+`"}]`)
	g.Expect(err).NotTo(HaveOccurred())
}

func (c *cluster) crd(ctx context.Context, g Gomega) *metav1.PartialObjectMetadata {
	all, err := client.New(c.ControlPlane.RESTConfig, client.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	crd := &metav1.PartialObjectMetadata{}
	crd.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	g.Expect(all.Get(ctx, client.ObjectKey{Name: "agentdisconnects.chaos.agentdisconnect.dev"}, crd)).To(Succeed())
	return crd
}

func aRun(name string) *v1alpha1.AgentDisconnect {
	return &v1alpha1.AgentDisconnect{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: v1alpha1.AgentDisconnectSpec{
			Cluster: world.DefaultCluster, SubnetID: world.DedicatedSubnet, Duration: metav1.Duration{Duration: 10 * time.Minute},
		},
	}
}

// What docs/install.md says of overlays, and of flags that were set in any other way.
func TestSettingsSurviveAnUpgradeWithAnOverlay(t *testing.T) {
	g, ctx, c := NewWithT(t), t.Context(), start(t)
	dir := t.TempDir()
	write(g, dir, `resources: [REPO/config/default]
patches:
- target: {kind: Deployment, name: agentdisconnect-controller-manager}
  patch: |-
    - {op: add, path: /spec/template/spec/containers/0/args/-, value: --max-duration=30m}
`)
	deploy := func(version string) error {
		_, err := c.make(t, "deploy", "OVERLAY="+dir, "IMG=registry.example.com/agentdisconnect:"+version)
		return err
	}
	g.Expect(deploy("v1")).To(Succeed())
	g.Expect(c.args(ctx, g)).To(ContainElement("--max-duration=30m"))
	g.Expect(deploy("v2")).To(Succeed(), "an upgrade")
	g.Expect(c.args(ctx, g)).To(ContainElement("--max-duration=30m"))

	// A person sets another flag in the cluster.
	c.setByHand(t, g, "--max-active-runs=2")
	g.Expect(deploy("v3")).To(MatchError(ContainSubstring(`conflict with "kubectl-patch"`)), "it is not dropped in silence")
	g.Expect(c.args(ctx, g)).To(ContainElement("--max-active-runs=2"))
	_, err := c.kubectl(t, "apply", "--server-side", "--force-conflicts", "-f", "bin/deploy/manifests.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.args(ctx, g)).NotTo(ContainElement("--max-active-runs=2"), "but with --force-conflicts it is")
	g.Expect(c.args(ctx, g)).To(ContainElement("--max-duration=30m"))

	// From the manifests to the chart.
	values := []string{"config/chart", repoFlag, "--set=flags.max-duration=30m"}
	_, err = c.helm(t, append([]string{"install", release}, values...)...)
	g.Expect(err).To(MatchError(ContainSubstring("invalid ownership metadata")))
	_, err = c.helm(t, append([]string{"install", release, "--take-ownership", "--force-conflicts"}, values...)...)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.args(ctx, g)).To(ContainElement("--max-duration=30m"))

	// Helm does not drop what a person set either.
	c.setByHand(t, g, "--max-active-runs=2")
	_, err = c.helm(t, append([]string{"upgrade", release}, values...)...)
	g.Expect(err).To(MatchError(ContainSubstring(`conflict with "kubectl-patch"`)))
	g.Expect(c.args(ctx, g)).To(ContainElement("--max-active-runs=2"))
	_, err = c.helm(t, append([]string{"upgrade", release, "--force-conflicts"}, values...)...)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.args(ctx, g)).NotTo(ContainElement("--max-active-runs=2"))
}

func TestTheChartOnACluster(t *testing.T) {
	g, ctx, c := NewWithT(t), t.Context(), start(t)
	g.SetDefaultEventuallyTimeout(2 * time.Minute)
	_, err := c.helm(t, "install", release, "config/chart", "--create-namespace", repoFlag, "--set=flags.max-duration=30m")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.args(ctx, g)).To(ContainElement("--max-duration=30m"))

	// The manager works as the chart's service account, with the chart's flags.
	g.Expect(c.workAsServiceAccount(t, g)).To(Succeed())

	upgrade := func(args ...string) {
		_, err := c.helm(t, append([]string{"upgrade", release, "config/chart"}, args...)...)
		g.Expect(err).NotTo(HaveOccurred())
	}
	values := filepath.Join(t.TempDir(), "values.yaml")
	g.Expect(os.WriteFile(values, []byte("image: {repository: registry.example.com/agentdisconnect, tag: v2}\nflags: {max-duration: 45m, max-active-runs: 2}\n"), 0o600)).To(Succeed())
	upgrade("--values=" + values)
	g.Expect(c.args(ctx, g)).To(ContainElements("--max-duration=45m", "--max-active-runs=2"))
	upgrade("--reset-then-reuse-values", "--set=image.tag=v3")
	g.Expect(c.args(ctx, g)).To(ContainElements("--max-duration=45m", "--max-active-runs=2"))

	// The CRDs are upgraded with the chart: what a person took off is there again.
	_, err = c.kubectl(t, "annotate", "crd", "agentdisconnects.chaos.agentdisconnect.dev", "controller-gen.kubebuilder.io/version-")
	g.Expect(err).NotTo(HaveOccurred())
	upgrade("--values=" + values)
	g.Expect(c.crd(ctx, g).Annotations).To(HaveKey("controller-gen.kubebuilder.io/version"))

	// Neither leaving the CRDs out of the chart nor uninstalling it deletes them, and with them all objects.
	run := aRun("kept")
	g.Expect(c.Client.Create(ctx, run)).To(Succeed())
	upgrade("--values="+values, "--set=crds.enabled=false")
	g.Expect(c.crd(ctx, g).DeletionTimestamp).To(BeNil())
	upgrade("--values=" + values)
	_, err = c.helm(t, "uninstall", release)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(apierrors.IsNotFound(c.Client.Get(ctx, client.ObjectKey{Namespace: system, Name: manager}, &appsv1.Deployment{}))).To(BeTrue())
	g.Expect(c.crd(ctx, g).DeletionTimestamp).To(BeNil())
	g.Expect(c.Client.Get(ctx, client.ObjectKeyFromObject(run), run)).To(Succeed())
	g.Expect(run.DeletionTimestamp).To(BeNil())
	_, err = c.helm(t, "install", release, "config/chart", repoFlag)
	g.Expect(err).NotTo(HaveOccurred(), "the CRDs are those of the release again")
}

// workAsServiceAccount runs the manager with the Deployment's service account and flags, for a whole run. The ports are others.
func (c *cluster) workAsServiceAccount(t *testing.T, g Gomega) error {
	ctx := t.Context()
	token, err := c.kubectl(t, "-n", system, "create", "token", manager)
	g.Expect(err).NotTo(HaveOccurred())
	config, err := clientcmd.LoadFromFile(c.admin)
	g.Expect(err).NotTo(HaveOccurred())
	for name := range config.AuthInfos {
		config.AuthInfos[name] = &api.AuthInfo{Token: strings.TrimSpace(token)}
	}
	c.Kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(clientcmd.WriteToFile(*config, c.Kubeconfig)).To(Succeed())

	args := []string{"--leader-election-namespace=" + system}
	for _, arg := range c.args(ctx, g) {
		if !strings.Contains(arg, "-bind-address=") {
			args = append(args, arg)
		}
	}
	process, err := c.AddManager(ctx, args...)
	g.Expect(err).NotTo(HaveOccurred())

	run := aRun("whole")
	g.Expect(c.Client.Create(ctx, run)).To(Succeed())
	g.Eventually(func() []v1alpha1.Rule {
		g.Expect(c.Client.Get(ctx, client.ObjectKeyFromObject(run), run)).To(Succeed())
		return run.Status.Rules
	}).Should(And(Not(BeEmpty()), HaveEach(HaveField("State", v1alpha1.RuleInstalled))))
	g.Expect(c.Client.Delete(ctx, run)).To(Succeed())
	g.Eventually(func() bool {
		return apierrors.IsNotFound(c.Client.Get(ctx, client.ObjectKeyFromObject(run), run))
	}).Should(BeTrue())
	g.Expect(strings.Join(process.LogTail(1000), "\n")).NotTo(ContainSubstring("forbidden"))
	return process.Stop()
}
