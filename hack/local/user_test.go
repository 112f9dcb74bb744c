// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/process"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const (
	// scale makes agents notice within seconds.
	scale = 60
	// hangs ends a test that would wait for ever. Nothing depends on it.
	hangs = 5 * time.Minute
	ready = "Ctrl-C ends every run, waits"
)

// folder has the programs, once build was called.
var folder string

// build builds the programs, once for all tests.
var build = sync.OnceValue(func() error {
	return process.Build(context.Background(), folder, "./cmd/manager", "./cmd/kubectl-agentdisconnect", "./hack/local")
})

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "agentdisconnect-local-")
	if err != nil {
		panic(err)
	}
	folder = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// user is a person with AWS credentials, a terminal or two, and nothing else.
type user struct {
	*testing.T
	*WithT
	sim      *sim.Simulator
	programs string
	state    string
	before   []string
}

func newUser(t *testing.T) *user {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set: run it through make test")
	}
	log.SetLogger(logr.Discard())
	u := &user{T: t, WithT: NewWithT(t), programs: folder, state: filepath.Join(t.TempDir(), "state")}
	u.SetDefaultEventuallyTimeout(hangs)
	u.Expect(build()).To(Succeed())
	var err error
	u.sim, err = sim.Start(context.WithoutCancel(t.Context()), sim.Options{World: templatesPlace(u.WithT), Scale: scale})
	u.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(u.sim.Close)
	// What a test that failed left running.
	t.Cleanup(func() { _ = (&place{dir: u.state}).endLeftovers() })
	u.Expect(u.sim.WaitForAgents(t.Context())).To(Succeed())
	u.before = landscape(u.sim)
	return u
}

// environment is the user's shell: the credentials are those of the template's role.
func (u *user) environment() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + u.programs, "KUBEBUILDER_ASSETS=" + os.Getenv("KUBEBUILDER_ASSETS"),
		"AWS_ENDPOINT_URL=" + u.sim.URL(), "AWS_REGION=" + u.sim.World().Region, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=" + world.DefaultAccessKey, "AWS_SECRET_ACCESS_KEY=" + world.DefaultSecret,
	}
}

// running is a make local that runs.
type running struct {
	u     *user
	cmd   *exec.Cmd
	ended chan error    // how it ended
	over  chan struct{} // closed once it has

	mu  sync.Mutex
	out bytes.Buffer
}

// Write implements io.Writer.
func (r *running) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.Write(p)
}

// said is all that it printed, in one line: it wraps to the width.
func (r *running) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(strings.Fields(r.out.String()), " ")
}

// local starts the program as make local does.
func (u *user) local(args ...string) *running {
	u.Helper()
	r := &running{u: u, ended: make(chan error, 1), over: make(chan struct{})}
	r.cmd = exec.Command(filepath.Join(u.programs, "local"), append([]string{"--state", u.state, "--programs", u.programs}, args...)...)
	r.cmd.Env, r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = u.environment(), ".", r, r
	// What is left when it is killed has its output too, so that waiting for the output would not end.
	r.cmd.WaitDelay = time.Second
	u.Expect(r.cmd.Start()).To(Succeed())
	go func() {
		r.ended <- r.cmd.Wait()
		close(r.over)
	}()
	u.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		<-r.over
	})
	return r
}

// start starts it with the manager's flags for a Region that runs faster, and waits until it is ready.
func (u *user) start() *running {
	u.Helper()
	r := u.local("--yes", "--", "--dns-server="+u.sim.DNSAddr(), "--agent-poll-interval=200ms", "--network-acl-poll-interval=500ms", "--lookup-interval=500ms",
		"--cloudtrail-delay=1m", "--deadman-schedule-group=first-ScheduleGroup", "--deadman-role-arn=arn:aws:iam::"+u.sim.World().Account+":role/first-DeadManRole")
	u.Eventually(func(g Gomega) {
		g.Expect(r.ended).To(BeEmpty(), "it ended: %s", r.said())
		g.Expect(r.said()).To(ContainSubstring(ready))
	}).Should(Succeed())
	return r
}

func (r *running) signal(s os.Signal) { r.u.Expect(r.cmd.Process.Signal(s)).To(Succeed()) }

// expectEnd waits for its end.
func (r *running) expectEnd(code int) {
	r.u.Helper()
	r.u.Eventually(r.ended).Should(Receive())
	r.u.Expect(r.cmd.ProcessState.ExitCode()).To(Equal(code), r.said())
}

// shell pastes commands into a shell of the user's.
func (u *user) shell(commands string) string {
	u.Helper()
	cmd := exec.CommandContext(u.Context(), "bash", "-ec", ". '"+filepath.Join(u.state, "env")+"'\n"+commands)
	cmd.Env, cmd.Dir = u.environment(), u.TempDir()
	out, err := cmd.CombinedOutput()
	u.Expect(err).NotTo(HaveOccurred(), "%s\n%s", commands, out)
	return string(out)
}

// printed is the line of the printed commands that begins so.
func (r *running) printed(begin string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for line := range strings.Lines(r.out.String()) {
		if strings.HasPrefix(line, begin) {
			return line
		}
	}
	r.u.Fatalf("no command %q was printed: %s", begin, r.out.String())
	return ""
}

// page gives the kubectl commands of the first script of a section of docs/first-real-run.md, with the cluster and the subnet.
func (u *user) page(section string) string {
	u.Helper()
	text, err := os.ReadFile("../../docs/first-real-run.md")
	u.Expect(err).NotTo(HaveOccurred())
	_, after, found := strings.Cut(string(text), "\n## "+section+"\n")
	u.Expect(found).To(BeTrue(), section)
	_, after, _ = strings.Cut(after, "```console\n$ kubectl")
	script, _, _ := strings.Cut("kubectl"+after, "```")
	return "cluster=" + clusterName + " subnet=" + subnetIDs["TargetSubnet"] + "\n" + strings.ReplaceAll(script, "\n$ ", "\n")
}

// status gives a way to look at an object again and again.
func (u *user) status(name string) func() v1alpha1.AgentDisconnectStatus {
	u.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(u.state, "kubeconfig"))
	u.Expect(err).NotTo(HaveOccurred())
	scheme := runtime.NewScheme()
	u.Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	c, err := client.New(config, client.Options{Scheme: scheme})
	u.Expect(err).NotTo(HaveOccurred())
	return func() v1alpha1.AgentDisconnectStatus {
		var obj v1alpha1.AgentDisconnect
		_ = c.Get(u.Context(), client.ObjectKey{Namespace: "default", Name: name}, &obj) // it may be about to be created
		return obj.Status
	}
}

// begin starts a run by a printed command, and waits until its rules serve the subnet. It gives a way to wait for the end of the
// command, which follows the run until it is decided.
func (u *user) begin(name, command string) (follow func() error) {
	u.Helper()
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "bash", "-ec", ". '"+filepath.Join(u.state, "env")+"'\n"+strings.TrimSpace(command))
	cmd.Env, cmd.Dir = u.environment(), u.TempDir()
	// kubectl too, which the shell started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	u.Expect(cmd.Start()).To(Succeed())
	ended := make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		err = cmd.Wait()
	}()
	u.Cleanup(func() {
		stop()
		<-ended
	})
	u.Eventually(u.status(name)).Should(HaveField("Rules", And(HaveLen(6), HaveEach(HaveField("State", v1alpha1.RuleInstalled)))))
	u.Eventually(func() string {
		acl, _ := u.sim.Region().SubnetACL(subnetIDs["TargetSubnet"])
		return acl.ID
	}).ShouldNot(Equal(sharedACL), "both subnets share the default network ACL, so the run works on a clone")
	return func() error {
		<-ended
		return err
	}
}

var managerPID = regexp.MustCompile(`The manager runs \(process (\d+)\)`)
