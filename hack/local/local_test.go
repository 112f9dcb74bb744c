// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

func TestALifeOnTheTemplatesPlace(t *testing.T) {
	u := newUser(t)

	// Without a terminal it cannot ask.
	refused := u.local()
	refused.expectEnd(exitUsage)
	t.Log(refused.out.String()) // docs/first-real-run.md shows it
	u.Expect(refused.said()).To(SatisfyAll(
		ContainSubstring("Account 123456789012"), ContainSubstring("assumed-role/"+roleName+"/me"), ContainSubstring("Region ap-northeast-1"),
		ContainSubstring("this is not AWS itself"), ContainSubstring("yes: DryRun for a clone of "+sharedACL), Not(ContainSubstring(" no: ")),
		ContainSubstring(clusterName+" "+subnetIDs["TargetSubnet"]+" 1 default"),
		ContainSubstring("nothing was started: there is no terminal to ask on"),
	))
	u.Expect(filepath.Join(u.state, "etcd")).NotTo(BeADirectory())

	// Plan, by the commands of the page.
	first := u.start()
	u.Expect(u.shell(u.page("3. Plan"))).To(ContainSubstring("Clone"))
	u.Expect(writes(u.sim)).To(BeEmpty(), "nothing is written before a run is asked for")
	second := u.local("--yes")
	second.expectEnd(exitFailed)
	u.Expect(second.said()).To(ContainSubstring("another make local of account 123456789012"))

	// Run with the probe, and Ctrl-C in the middle.
	run := strings.TrimSpace(first.printed("kubectl agentdisconnect run first"))
	u.begin("first", u.page("4. Run"))
	u.Eventually(u.status("first")).Should(HaveField("Probe.Outcomes", ContainElement(HaveField("Reason", "AGENT"))))
	first.signal(os.Interrupt)
	first.expectEnd(0)
	u.Expect(landscape(u.sim)).To(Equal(u.before))
	u.Expect(first.said()).To(ContainSubstring("No run is left"))
	u.Expect(u.shell("kubectl-agentdisconnect report -f " + filepath.Join(u.state, "ended", "default", "first-*.yaml"))).To(ContainSubstring(subnetIDs["TargetSubnet"]))

	// The machine dies in the middle of another run: etcd and kube-apiserver outlive this program, the manager does not.
	third := u.start()
	u.begin("second", strings.Replace(run, "run first", "run second", 1))
	manager := managerPID.FindStringSubmatch(third.said())
	third.signal(syscall.SIGKILL)
	third.expectEnd(-1)
	u.Expect(exec.CommandContext(t.Context(), "kill", "-KILL", manager[1]).Run()).To(Succeed())
	u.Expect(landscape(u.sim)).NotTo(Equal(u.before))

	// The next start continues the run, and its end is refused by AWS for a while.
	fourth := u.start()
	u.Expect(fourth.said()).To(ContainSubstring("The last start did not end in order."))
	fault, err := faults.Parse("ec2:ReplaceNetworkAclAssociation error=RequestLimitExceeded")
	u.Expect(err).NotTo(HaveOccurred())
	u.sim.Faults().Put(fault)
	fourth.signal(syscall.SIGTERM)
	u.Eventually(fourth.said).Should(ContainSubstring("Ending every run."))
	fourth.signal(os.Interrupt)
	u.Eventually(fourth.said).Should(SatisfyAll(
		ContainSubstring("Not yet: these runs are not restored. default/second in subnet"), ContainSubstring("Another Ctrl-C stops the manager all the same"),
		ContainSubstring("sweep --region ap-northeast-1 --apply"), ContainSubstring("its dead man's switch is armed"),
	))
	u.sim.Faults().Clear()
	fourth.expectEnd(0)
	u.Expect(landscape(u.sim)).To(Equal(u.before))
}

// lateManager is a manager that is asked to stop while another run is created: it stops once the rules of that run are in AWS.
const lateManager = `#!/bin/bash
(exec -a "$PWD/manager" "$(dirname "$0")/manager-itself" "$@") & manager=$!
trap 'if mkdir once 2>/dev/null; then
  "$KUBEBUILDER_ASSETS/kubectl" create -f late.yaml && "$KUBEBUILDER_ASSETS/kubectl" wait --for=condition=RulesInstalled --timeout=15s agd/late
fi; kill -TERM $manager' TERM
until wait $manager; ! kill -0 $manager 2>/dev/null; do :; done
`

func TestWhatEndsByItselfAndWhatBeginsAtTheEnd(t *testing.T) {
	u := newUser(t)
	own := filepath.Join(t.TempDir(), "bin")
	u.Expect(exec.CommandContext(t.Context(), "cp", "-r", u.programs, own).Run()).To(Succeed())
	u.programs = own
	u.Expect(os.MkdirAll(u.state, 0o700)).To(Succeed())
	manager := filepath.Join(own, "manager")

	// A manager that ends by itself and cannot be started again for a while.
	r := u.start()
	u.begin("first", "cluster="+clusterName+" subnet="+subnetIDs["TargetSubnet"]+"\n"+r.printed("kubectl agentdisconnect run first"))
	pid := managerPID.FindStringSubmatch(r.said())[1]
	u.Expect(os.Rename(manager, manager+"-itself")).To(Succeed())
	u.Expect(exec.CommandContext(t.Context(), "kill", "-KILL", pid).Run()).To(Succeed())
	u.Eventually(r.said).Should(ContainSubstring("It cannot be started again"))
	late := fmt.Sprintf("apiVersion: chaos.agentdisconnect.dev/v1alpha1\nkind: AgentDisconnect\nmetadata: {name: late, namespace: default}\nspec: {cluster: %s, subnetID: %s, duration: 10m}\n",
		clusterName, subnetIDs["TargetSubnet"])
	u.Expect(os.WriteFile(filepath.Join(u.state, "late.yaml"), []byte(late), 0o600)).To(Succeed())
	u.Expect(os.WriteFile(manager, []byte(lateManager), 0o700)).To(Succeed())
	u.Eventually(r.said).Should(ContainSubstring("Another one was started"))

	// A schedule that is due in every minute, and a run without its schedule.
	u.shell(`kubectl apply -f - <<EOF
apiVersion: chaos.agentdisconnect.dev/v1alpha1
kind: AgentDisconnectSchedule
metadata: {name: often, namespace: default}
spec: {schedule: "* * * * *", template: {spec: {cluster: none, subnetID: subnet-0f1e2d3c4b5a69789, duration: 10m}}}
EOF
kubectl create -f - <<EOF
apiVersion: chaos.agentdisconnect.dev/v1alpha1
kind: AgentDisconnect
metadata:
  name: orphan
  namespace: default
  ownerReferences: [{apiVersion: chaos.agentdisconnect.dev/v1alpha1, kind: AgentDisconnectSchedule, name: deleted, uid: 0a1b2c3d, controller: true}]
spec: {mode: Plan, cluster: none, subnetID: subnet-0f1e2d3c4b5a69789, duration: 10m}
EOF`)
	u.Eventually(r.said).Should(ContainSubstring("The run default/orphan is deleted with its schedule deleted."))

	// The end, in which a run is created after the last look.
	r.signal(os.Interrupt)
	r.expectEnd(0)
	u.Expect(r.said()).To(SatisfyAll(ContainSubstring("Schedule default/often is suspended"), ContainSubstring("The manager is started again: a run was created meanwhile"), ContainSubstring("No run is left")))
	u.Expect(filepath.Join(u.state, "once")).To(BeADirectory(), "the late run was created")
	u.Expect(landscape(u.sim)).To(Equal(u.before))
}

func TestTheThirdSignalStopsAndTheNextStartEndsTheRun(t *testing.T) {
	u := newUser(t)
	r := u.start()
	u.begin("first", r.printed("kubectl agentdisconnect run first"))
	fault, err := faults.Parse("ec2:ReplaceNetworkAclAssociation error=UnauthorizedOperation")
	u.Expect(err).NotTo(HaveOccurred())
	u.sim.Faults().Put(fault)
	r.signal(os.Interrupt)
	u.Eventually(r.said).Should(And(ContainSubstring("Ending every run."), ContainSubstring("UnauthorizedOperation")), "why the end waits")
	r.signal(os.Interrupt)
	u.Eventually(r.said).Should(ContainSubstring("Another Ctrl-C stops the manager"))
	r.signal(os.Interrupt)
	r.expectEnd(exitFailed)
	u.Expect(r.said()).To(ContainSubstring("stopped before every run was restored"))
	u.Expect(filepath.Join(u.state, unfinishedName)).To(BeAnExistingFile())

	u.sim.Faults().Clear()
	next := u.start()
	next.signal(os.Interrupt)
	next.expectEnd(0)
	u.Expect(filepath.Join(u.state, unfinishedName)).NotTo(BeAnExistingFile())
	u.Expect(landscape(u.sim)).To(Equal(u.before))
}

func TestOnlyYesStarts(t *testing.T) {
	g := NewWithT(t)
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	g.Expect(err).NotTo(HaveOccurred())
	out := screen.New(file)
	defer out.Close()
	for _, tc := range []struct {
		answer string
		starts bool
	}{
		{"y\n", true}, {" YES \n", true}, {"n\n", false}, {"\n", false}, {"", false}, {"yesterday\n", false},
	} {
		err := ask(t.Context(), strings.NewReader(tc.answer), out, true)
		g.Expect(err == nil).To(Equal(tc.starts), "%q: %v", tc.answer, err)
	}
	said, err := os.ReadFile(file.Name())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(said)).NotTo(ContainSubstring("only read"), "runs of the last start are on")
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	never, _ := io.Pipe()
	g.Expect(ask(interrupted, never, out, false)).NotTo(Succeed())
}

func TestThePrintedCommandsPreferASubnetThatAllowsThem(t *testing.T) {
	g := NewWithT(t)
	s := &settings{consentKey: "k"}
	found := targets{list: []target{{subnet: "a", consent: "team-z"}, {subnet: "b", consent: "chaos default"}, {subnet: "c"}}}
	g.Expect(found.choose(s).subnet).To(Equal("b"))
	g.Expect(found.choose(&settings{consentKey: "k", subnet: "c"}).allows("k")).To(BeFalse())
	g.Expect(quote("it's")).To(Equal(`'it'\''s'`))
}

func TestCredentialsThatDoNotWorkAreExplained(t *testing.T) {
	u := newUser(t)
	for code, want := range map[string]string{
		"ExpiredToken":         "the session of the AWS credentials has expired: sign in again (aws sso login",
		"InvalidClientTokenId": "AWS does not accept the credentials (InvalidClientTokenId",
	} {
		fault, err := faults.Parse("sts:GetCallerIdentity error=" + code)
		u.Expect(err).NotTo(HaveOccurred())
		u.sim.Faults().Put(fault)
		r := u.local("--yes")
		r.expectEnd(exitFailed)
		u.Expect(r.said()).To(ContainSubstring(want))
		u.sim.Faults().Clear()
	}
	// Without a terminal it ends before anything is started.
	lost := u.local("--cluster=nope", "--subnet=subnet-00000000000000000")
	lost.expectEnd(exitUsage)
	u.Expect(lost.said()).To(And(ContainSubstring("ECS has no cluster nope in ap-northeast-1: check"), ContainSubstring("EC2 has no subnet subnet-00000000000000000 in account 123456789012 and Region ap-northeast-1: check")))
	for name, tc := range map[string]struct{ without, with, want string }{
		"no Region":      {without: "AWS_REGION", want: "no AWS Region is set: set AWS_REGION"},
		"no credentials": {without: "AWS_ACCESS_KEY_ID", want: "no AWS credentials were found: set AWS_PROFILE"},
		"no profile":     {with: "AWS_PROFILE=missing", want: `the AWS profile "missing" does not exist`},
		"no endpoint":    {with: "AWS_ENDPOINT_URL=http://127.0.0.1:1", want: "nothing answers at AWS_ENDPOINT_URL=http://127.0.0.1:1: set it to"},
	} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(u.programs, "local"), "--yes", "--programs", u.programs)
		for _, entry := range append(u.environment(), tc.with) {
			if tc.without == "" || !strings.HasPrefix(entry, tc.without+"=") {
				cmd.Env = append(cmd.Env, entry)
			}
		}
		out, err := cmd.CombinedOutput()
		u.Expect(err).To(HaveOccurred(), name)
		u.Expect(strings.Join(strings.Fields(string(out)), " ")).To(ContainSubstring(tc.want), name)
	}
}

func TestFlagsOfTheManagerComeAfterTheDashes(t *testing.T) {
	g := NewWithT(t)
	s, err := parse([]string{"--yes", "--cluster=demo", "--", "--max-duration=30m", "--consent-tag-key=team/allow"}, &bytes.Buffer{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.yes).To(BeTrue())
	g.Expect(s.managerArgs).To(Equal([]string{"--max-duration=30m", "--consent-tag-key=team/allow"}))
	g.Expect(s.consentKey).To(Equal("team/allow"))
	for _, args := range [][]string{{"demo"}, {"demo", "--", "--max-duration=30m"}, {"--max-duration=30m"}} {
		_, err := parse(args, &bytes.Buffer{})
		g.Expect(err).To(MatchError(ContainSubstring("of the manager come after --")), fmt.Sprint(args))
	}
}
