// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

func TestMistakesOnTheCommandLineNameTheirFix(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no such command":      {[]string{"swipe"}, `unexpected argument "swipe"`},
		"no such flag":         {[]string{"sweep", "--force"}, "unknown flag: --force"},
		"an argument":          {[]string{"sweep", "acl-1"}, `unexpected argument "acl-1"`},
		"no such output":       {[]string{"sweep", "-o", "yaml"}, "it must be table, wide or json"},
		"yes to nothing":       {[]string{"sweep", "--yes"}, "--apply"},
		"one cluster, and all": {[]string{"sweep", "--cluster-id", another, "--all-clusters"}, "exclude each other"},
		"a wait of less":       {[]string{"sweep", "--apply", "--wait", "-1s"}, "--wait is -1s"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Expect(w.run(tc.args...)).To(Equal(exitUsage))
			w.Expect(w.errOut.String()).To(SatisfyAll(ContainSubstring(tc.want), HaveSuffix("See --help.\n")))
			w.Expect(w.sim.Calls()).To(BeEmpty())
		})
	}
}

func TestHelpTellsWhatToDo(t *testing.T) {
	w := newWorld(t)
	for _, args := range [][]string{nil, {"--help"}, {"help"}} {
		w.Expect(w.run(args...)).To(Equal(exitDone))
		w.Expect(w.out.String()).To(ContainSubstring("kubectl agentdisconnect sweep"))
	}
	w.Expect(w.run("sweep", "--help")).To(Equal(exitDone))
	w.Expect(w.out.String()).To(SatisfyAll(ContainSubstring("In trouble, step by step"), ContainSubstring("Exit codes:"), ContainSubstring("kubectl agentdisconnect sweep [flags]")))
}

func TestVersion(t *testing.T) {
	w := newWorld(t)
	w.Expect(w.run("version")).To(Equal(exitDone))
	w.Expect(w.out.String()).To(Equal("kubectl-agentdisconnect dev\n"))
}

// environment has the command load its configuration as it does outside of tests.
func (w *world) environment(values map[string]string) {
	none := w.TempDir() + "/none"
	for key, value := range map[string]string{
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true", "AWS_PROFILE": "", "AWS_REGION": "",
		"AWS_DEFAULT_REGION": "", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_ENDPOINT_URL": w.sim.URL(),
		"AWS_ROLE_ARN": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "",
	} {
		w.Setenv(key, value)
	}
	for key, value := range values {
		w.Setenv(key, value)
	}
	w.program.load = aws.Load
}

func TestWithoutARegionItSaysHowToNameOne(t *testing.T) {
	w := newWorld(t)
	w.environment(map[string]string{"AWS_ACCESS_KEY_ID": w.sim.World().Keys()[0].ID, "AWS_SECRET_ACCESS_KEY": "secret"})
	w.Expect(w.run("sweep")).To(Equal(exitError))
	w.Expect(w.errOut.String()).To(SatisfyAll(ContainSubstring("--region"), ContainSubstring("AWS_REGION")))
	w.Expect(w.sim.Calls()).To(BeEmpty())

	w.inPlace(leftInPlace)
	w.Expect(w.run("sweep", "--region", "ap-northeast-1")).To(Equal(exitDone), "the SDK's own chain, and AWS_ENDPOINT_URL: %s", w.said())
	w.Expect(w.out.String()).To(ContainSubstring("staging/demo"))
}

func TestWithoutCredentialsItSaysWhatToGive(t *testing.T) {
	w := newWorld(t)
	w.environment(map[string]string{"AWS_REGION": "ap-northeast-1"})
	w.Expect(w.run("sweep")).To(Equal(exitError))
	w.Expect(w.errOut.String()).To(SatisfyAll(ContainSubstring("no AWS credentials"), ContainSubstring("AWS_PROFILE"), ContainSubstring("aws sts get-caller-identity")))
}

func TestAnEndpointThatDoesNotAnswer(t *testing.T) {
	w := newWorld(t)
	w.environment(map[string]string{"AWS_ACCESS_KEY_ID": w.sim.World().Keys()[0].ID, "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
	w.Expect(w.run("sweep", "--region", "nowhere")).To(Equal(exitError))
	w.Expect(w.errOut.String()).To(SatisfyAll(ContainSubstring("AWS STS in Region nowhere"), ContainSubstring("Check the name of the Region"), ContainSubstring("AWS_ENDPOINT_URL")))
}

func TestCredentialsThatAWSDoesNotKnow(t *testing.T) {
	w := newWorld(t)
	w.environment(map[string]string{"AWS_REGION": "ap-northeast-1", "AWS_ACCESS_KEY_ID": "AKIANOBODY0000000001", "AWS_SECRET_ACCESS_KEY": "secret"})
	w.Expect(w.run("sweep")).To(Equal(exitError))
	w.Expect(w.errOut.String()).To(SatisfyAll(ContainSubstring("InvalidClientTokenId"), ContainSubstring("AWS_PROFILE")))
}

func TestADeniedListNamesTheActionAndThePolicy(t *testing.T) {
	w := newWorld(t)
	w.sim.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkAcls", Denied: true})
	for _, args := range [][]string{{"sweep"}, {"sweep", "--apply", "--yes"}, {"sweep", "-o", "json"}} {
		w.Expect(w.run(args...)).To(Equal(exitError))
		w.Expect(w.errOut.String()).To(SatisfyAll(ContainSubstring("AWS denies ec2:DescribeNetworkAcls"), ContainSubstring("config/iam/policy-sweep.json")))
		w.Expect(w.out.String()).To(BeEmpty())
	}
}

func TestSchedulesThatMayNotBeListedAreSaidToBeUnseen(t *testing.T) {
	w := newWorld(t)
	w.inPlace(leftInPlace)
	w.sim.Faults().Add(faults.Fault{Action: "scheduler:ListSchedules", Denied: true})
	w.Expect(w.run("sweep")).To(Equal(exitDone), w.said())
	w.Expect(w.out.String()).To(SatisfyAll(ContainSubstring("were not read: AWS denies scheduler:ListSchedules"), ContainSubstring("staging/demo")))
	w.Expect(w.run("sweep", "-o", "json")).To(Equal(exitDone))
	w.Expect(w.document().SchedulesUnseen).To(ContainSubstring("scheduler:ListSchedules"))
	w.Expect(w.run("sweep", "--apply", "--yes")).To(Equal(exitDone), w.said())
	w.expectOnlyOursGone()
	w.Expect(w.run("sweep")).To(Equal(exitDone))
	w.Expect(w.out.String()).NotTo(ContainSubstring("no schedule of a run"), "it claims only what it saw")
}
