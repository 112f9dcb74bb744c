// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"text/template"
	"time"
)

// playgroundDuration leaves time to look around.
const playgroundDuration = 5 * time.Minute

// guideText is what to try: a script for bash and zsh, pasted as a whole or by parts. Each part begins with a line "# title".
// In an interactive zsh a comment is a command that is not found, so titles have nothing that a shell reads.
//
//go:embed guide.sh.tmpl
var guideText string

type part struct{ title, text string }

// needed says what the guide needs beyond what the playground has; empty: it is there.
func needed() string {
	if _, err := exec.LookPath("aws"); err != nil {
		return "# The commands that begin with aws need the AWS CLI, which is not on the PATH: https://aws.amazon.com/cli/"
	}
	return ""
}

// guide fills the text in for the playground that runs.
func (w *walk) guide(file, root string) []part {
	host, port, _ := net.SplitHostPort(w.stack.Sim.DNSAddr())
	shared, _ := w.stack.Sim.Region().SubnetACL(w.subnet)
	var text strings.Builder
	// The template is part of the program, and so are its values' names.
	template.Must(template.New("guide").Parse(guideText)).Execute(&text, map[string]string{ //nolint:errcheck // a Builder takes it all
		"plan": strings.TrimSpace(w.manifest(name, playgroundDuration, planLine)), "original": shared.ID,
		"file": file, "root": root, "manifest": strings.TrimSpace(w.manifest(name, playgroundDuration)),
		"name": name, "cluster": w.cluster, "subnet": w.subnet, "family": w.family, "host": w.stack.Sim.World().Hosts[0].Name,
		"trailDelay": w.trailInWords(w.stack.Sim.World()), "trailWait": fmt.Sprint(int(wholeSeconds(w.trailMost()).Seconds())), "dnsHost": host, "dnsPort": port, "managerLog": w.stack.ManagerLog, "agentLogs": w.agentLog("*"),
	})
	var parts []part
	for _, section := range strings.Split("\n"+text.String(), "\n# ")[1:] {
		title, commands, _ := strings.Cut(section, "\n")
		parts = append(parts, part{title, strings.Trim(commands, "\n")})
	}
	return parts
}

// environment is what points a shell at the playground. Of what the user's own shell has for AWS, some would win over it.
func (w *walk) environment(ctx context.Context) (string, error) {
	config := w.stack.Sim.Config()
	credentials, err := config.Credentials.Retrieve(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`unset AWS_PROFILE AWS_SESSION_TOKEN
export KUBECONFIG=%s
export AWS_ENDPOINT_URL=%s
export AWS_REGION=%s AWS_DEFAULT_REGION=%s AWS_PAGER=
export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s
export PATH="$PATH:%s"
`, w.stack.Kubeconfig, w.stack.Sim.URL(), config.Region, config.Region, credentials.AccessKeyID, credentials.SecretAccessKey,
		os.Getenv("KUBEBUILDER_ASSETS")), nil
}
