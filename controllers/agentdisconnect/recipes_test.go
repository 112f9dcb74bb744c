// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// scriptBlock is a bash script in a document, indented as a part of a list or not.
var scriptBlock = regexp.MustCompile("(?ms)^ *```bash\n(.*?)^ *```$")

// recipe is the n-th script of a document, word for word.
func recipe(document string, n int) string {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join("..", "..", document))
	Expect(err).NotTo(HaveOccurred())
	found := scriptBlock.FindAllStringSubmatch(string(text), -1)
	Expect(len(found)).To(BeNumerically(">", n), document)
	return found[n][1]
}

// pipeline is a folder in which a recipe runs with the real kubectl.
type pipeline struct {
	folder string
	output bytes.Buffer
}

// newPipeline has run.yaml as a recipe names it, and a test of callers that writes down what it found.
func (w *world) newPipeline(manifest string) *pipeline {
	GinkgoHelper()
	p := &pipeline{folder: GinkgoT().TempDir()}
	write := func(name, text string, mode os.FileMode) {
		Expect(os.WriteFile(filepath.Join(p.folder, name), []byte(text), mode)).To(Succeed())
	}
	write("run.yaml", manifest, 0o600)
	write("call-run-task-and-check-that-callers-survive.sh", `#!/bin/sh
kubectl get agd -o jsonpath='{range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="AgentsDisconnected")].status}{"\n"}{end}' > seen
`, 0o700)
	config := clientcmdapi.NewConfig()
	config.Clusters["test"] = &clientcmdapi.Cluster{Server: control.RESTConfig.Host, CertificateAuthorityData: control.RESTConfig.CAData}
	config.AuthInfos["test"] = &clientcmdapi.AuthInfo{ClientCertificateData: control.RESTConfig.CertData, ClientKeyData: control.RESTConfig.KeyData}
	config.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test", Namespace: w.namespace}
	config.CurrentContext = "test"
	Expect(clientcmd.WriteToFile(*config, filepath.Join(p.folder, "kubeconfig"))).To(Succeed())
	return p
}

// run runs a script to its end.
func (p *pipeline) run(ctx context.Context, script string) error {
	return p.runBy(ctx, "bash", script, nil)
}

// runBy runs a script by a shell. started gets its process; nil: nobody wants it.
func (p *pipeline) runBy(ctx context.Context, shell, script string, started chan<- *os.Process) error {
	cmd := exec.CommandContext(ctx, shell, "-c", script)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.folder, &p.output, &p.output
	cmd.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(p.folder, "kubeconfig"),
		"PATH="+filepath.Join(p.folder, "bin")+string(os.PathListSeparator)+os.Getenv("KUBEBUILDER_ASSETS")+string(os.PathListSeparator)+os.Getenv("PATH"))
	if err := cmd.Start(); err != nil {
		return err
	}
	if started != nil {
		started <- cmd.Process
	}
	return cmd.Wait()
}

// seen are the objects at the moment when the callers were tested; none: they were not.
func (p *pipeline) seen() []string {
	text, err := os.ReadFile(filepath.Join(p.folder, "seen"))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text))
}

var _ = Describe("The recipes for pipelines", Serial, func() {
	const (
		named   = "name: checkout-agents\n  namespace: chaos"
		unnamed = "generateName: pipeline-"
		typo    = "subnet-0123456789abcdef0"
	)
	manifest := func(name, runID, subnet string) string {
		text := "apiVersion: chaos.agentdisconnect.dev/v1alpha1\nkind: AgentDisconnect\nmetadata:\n  " + name +
			"\nspec:\n  cluster: demo\n  duration: 10m\n  subnetID: " + subnet + "\n"
		if runID != "" {
			text += "  runID: \"" + runID + "\"\n"
		}
		return text
	}
	It("test callers under a new object's run, beside one that is left over too, and end it", func(ctx context.Context) {
		w := recipeWorld(ctx)
		w.manage(ctx)
		p := w.newPipeline(manifest(unnamed, "", subnetID))
		Expect(w.play(ctx, p, recipe("docs/first-run.md", 1), "")).To(Succeed(), p.output.String)
		left := w.objects(ctx)
		Expect(left).To(HaveLen(1))
		Expect(isTrue(&left[0], v1alpha1.ConditionSucceeded)).To(BeTrue(), "what the second recipe waits for")

		p = w.newPipeline(manifest(unnamed, "", subnetID))
		Expect(p.run(ctx, recipe("docs/first-run.md", 0))).To(Succeed(), p.output.String)
		Expect(p.seen()).To(ContainElement(And(HaveSuffix("=True"), Not(HavePrefix(left[0].Name+"=")))))
		Expect(w.objects(ctx)).To(HaveLen(1), "the run was ended by the deletion")
		w.expectRestored()
	})

	DescribeTable("end soon, and fail, where the run is refused", func(ctx context.Context, document string, n int, name, runID string) {
		w := recipeWorld(ctx)
		w.inChaos(ctx, name == named)
		w.manage(ctx)
		p := w.newPipeline(manifest(name, runID, typo))
		Expect(p.run(ctx, recipe(document, n))).NotTo(Succeed(), p.output.String)
		Expect(p.output.String()).To(ContainSubstring("Stalled"))
		Expect(p.seen()).To(BeEmpty(), "callers were tested")
	},
		Entry("to test callers", "docs/first-run.md", 0, unnamed, ""),
		Entry("to wait for the end", "docs/first-run.md", 1, unnamed, ""),
		Entry("of an object in git", "docs/gitops.md", 0, named, "2026-12-02"),
	)

	It("wait for the run that the manifest in git asks for, not for the one before", func(ctx context.Context) {
		w := recipeWorld(ctx)
		w.inChaos(ctx, true)
		w.manage(ctx)
		script := recipe("docs/gitops.md", 0)
		earlier := w.newPipeline(manifest(named, "2026-12-01", subnetID))
		Expect(w.play(ctx, earlier, strings.ReplaceAll(script, "2026-12-02", "2026-12-01"), "2026-12-01")).To(Succeed(), earlier.output.String)

		p := w.newPipeline(manifest(named, "2026-12-02", subnetID))
		Expect(w.play(ctx, p, script, "2026-12-02")).To(Succeed(), p.output.String)
		seen := w.objects(ctx)
		Expect(seen).To(HaveLen(1))
		Expect(seen[0].Status.RunID).To(Equal("2026-12-02"))
		Expect(isTrue(&seen[0], v1alpha1.ConditionSucceeded)).To(BeTrue(), describe(&seen[0]))
		w.expectRestored()
	})
})

// recipeWorld has agents that notice at once, and time that passes as it does.
func recipeWorld(ctx context.Context) *world {
	GinkgoHelper()
	w := newWorld(ctx, func(o *sim.Options) { o.NoAgents, o.Scale = false, 200 })
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	Expect(w.sim.WaitForAgents(waiting)).To(Succeed())
	return w
}

// objects are those of the world's namespace.
func (w *world) objects(ctx context.Context) []v1alpha1.AgentDisconnect {
	GinkgoHelper()
	var all v1alpha1.AgentDisconnectList
	Expect(kube.List(ctx, &all, client.InNamespace(w.namespace))).To(Succeed())
	return all.Items
}

func isTrue(obj *v1alpha1.AgentDisconnect, conditionType string) bool {
	return condition(obj, conditionType).Status == metav1.ConditionTrue
}

// passTimeOf lets the time of the run with a runID go by, once its agents are disconnected.
func (w *world) passTimeOf(ctx context.Context, runID string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		for _, obj := range w.objects(ctx) {
			if obj.Status.RunID == runID && isTrue(&obj, v1alpha1.ConditionAgentsDisconnected) && obj.Status.CompletionTime == nil {
				obj.Status.ExpirationTime = &metav1.Time{Time: time.Now()}
				g.Expect(kube.Status().Update(ctx, &obj)).To(Succeed())
				return
			}
		}
		g.Expect("no run whose agents are disconnected").To(BeEmpty())
	}, patience, 100*time.Millisecond).Should(Succeed())
}

// play runs a script while the time of its run goes by.
func (w *world) play(ctx context.Context, p *pipeline, script, runID string) error {
	GinkgoHelper()
	return w.playBy(ctx, p, "bash", script, runID)
}

func (w *world) playBy(ctx context.Context, p *pipeline, shell, script, runID string) error {
	GinkgoHelper()
	ended := make(chan error, 1)
	go func() { ended <- p.runBy(ctx, shell, script, nil) }()
	w.passTimeOf(ctx, runID)
	var err error
	Eventually(ended, patience).Should(Receive(&err), func() string { return p.output.String() })
	return err
}

// inChaos has the world's objects in the namespace that the recipes for git name.
func (w *world) inChaos(ctx context.Context, really bool) {
	GinkgoHelper()
	if !really {
		return
	}
	w.namespace = "chaos"
	Expect(client.IgnoreAlreadyExists(kube.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}))).To(Succeed())
}
