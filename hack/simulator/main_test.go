// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// patience bounds what would never come. No test depends on how fast the machine is.
const patience = 5 * time.Minute

func TestMain(m *testing.M) {
	SetDefaultEventuallyTimeout(patience)
	m.Run()
}

// execute runs the program with arguments.
func execute(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := command()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.ExecuteContext(ctx)
	return out.String(), err
}

func TestProgram(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithCancel(t.Context())
	out := gbytes.NewBuffer()
	cmd := command()
	certificate := filepath.Join(t.TempDir(), "agents.pem")
	cmd.SetArgs([]string{"--scale", "300", "--fault", "ec2:CreateNetworkAclEntry lost times=1", "--agent-listen", "127.0.0.1:0", "--agent-certificate", certificate})
	cmd.SetOut(out)
	var err error
	var wg sync.WaitGroup
	wg.Go(func() { err = cmd.ExecuteContext(ctx) })
	g.Eventually(out).Should(gbytes.Say("# All agents are connected."))
	text := string(out.Contents())
	for line := range strings.SplitSeq(text, "\n") {
		g.Expect(line).To(Or(BeEmpty(), HavePrefix("#"), HavePrefix("export ")), "a shell can read all of it")
	}
	g.Expect(text).To(MatchRegexp(`(?m)^# Endpoint for agents of your own: https://127\.0\.0\.1:\d+$`))
	g.Expect(os.ReadFile(certificate)).To(HavePrefix("-----BEGIN CERTIFICATE-----"))
	url := regexp.MustCompile(`AWS_ENDPOINT_URL=(\S+)`).FindStringSubmatch(text)[1]

	list := func() string {
		out, err := execute(ctx, "fault", "list", "--url", url)
		g.Expect(err).NotTo(HaveOccurred(), out)
		return out
	}
	g.Expect(list()).To(ContainSubstring("ec2:CreateNetworkAclEntry lost times=1"))
	id, err2 := execute(ctx, "fault", "add", "--url", url, "ec2:* throttle=5/1")
	g.Expect(err2).NotTo(HaveOccurred(), id)
	g.Expect(list()).To(MatchRegexp(`%s +ec2:\* throttle=5/1`, strings.TrimSpace(id)))
	_, err2 = execute(ctx, "fault", "remove", "--url", url, strings.TrimSpace(id))
	g.Expect(err2).NotTo(HaveOccurred())
	_, err2 = execute(ctx, "fault", "remove", "--url", url, "fault-99")
	g.Expect(err2).To(MatchError(ContainSubstring("there is no fault fault-99")))
	_, err2 = execute(ctx, "fault", "add", "--url", url, "ec2:* nonsense")
	g.Expect(err2).To(MatchError(ContainSubstring("not a word that faults know")))
	_, err2 = execute(ctx, "fault", "clear", "--url", url)
	g.Expect(err2).NotTo(HaveOccurred())
	g.Expect(list()).NotTo(ContainSubstring("fault-"))

	cancel()
	wg.Wait()
	g.Expect(err).NotTo(HaveOccurred(), "a signal is a proper end")
	_, err2 = execute(t.Context(), "fault", "list", "--url", url)
	g.Expect(err2).To(MatchError(ContainSubstring("no simulator answers at " + url)))
}

func TestProgramRefuses(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "world.yaml")
	g.Expect(os.WriteFile(file, bytes.Replace(world.DefaultYAML(), []byte("region: ap-northeast-1"), []byte("region: tokyo"), 1), 0o600)).To(Succeed())
	t.Setenv("AWS_ENDPOINT_URL", "")
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--world", file}, `world.yaml: region: "tokyo" is no Region`},
		{[]string{"--world", file + "x"}, "no such file"},
		{[]string{"--scale", "0"}, "write a number above 0"},
		{[]string{"--fault", "ec2:*"}, "a fault is an action and an effect"},
		{[]string{"--listen", "nonsense"}, "nonsense"},
		{[]string{"--agent-certificate", file}, "add --agent-listen"},
		{[]string{"--agent-listen", "127.0.0.1:0", "--no-agents"}, "leave out one of the two"},
		{[]string{"fault", "list"}, "which simulator?"},
		{[]string{"more"}, "unknown command"},
	} {
		_, err := execute(t.Context(), tc.args...)
		g.Expect(err).To(MatchError(ContainSubstring(tc.want)), "%v", tc.args)
	}
	out, err := execute(t.Context(), "world")
	g.Expect(err).NotTo(HaveOccurred())
	_, err = world.Parse([]byte(out))
	g.Expect(err).NotTo(HaveOccurred())
}
