// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	_ "embed"
	"fmt"
	"os"
	"strings"
	"text/template"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

// guideText is what to do first. All of it can be pasted into a shell.
//
//go:embed guide.sh.tmpl
var guideText string

// guide writes the file that points a shell here, and prints the first commands.
func (l *local) guide() error {
	var env strings.Builder
	fmt.Fprintf(&env, "export KUBECONFIG='%s' AWS_REGION=%s AWS_PAGER=\n", l.place.file("kubeconfig"), l.account.region)
	// Credentials are not written: the shell needs the same ones.
	for _, name := range []string{"AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		if value := os.Getenv(name); value != "" {
			fmt.Fprintf(&env, "export %s='%s'\n", name, value)
		}
	}
	fmt.Fprintf(&env, "export PATH='%s':\"$PATH:%s\"\n", l.settings.programs, os.Getenv("KUBEBUILDER_ASSETS"))
	if err := os.WriteFile(l.place.file("env"), []byte(env.String()), 0o600); err != nil {
		return err
	}

	var text strings.Builder
	err := template.Must(template.New("guide").Parse(guideText)).Execute(&text, map[string]string{
		"env": l.place.file("env"), "log": l.place.file("manager.log"), "consentKey": l.settings.consentKey,
		"cluster": cmp.Or(l.target.cluster, "CLUSTER"), "subnet": cmp.Or(l.target.subnet, "SUBNET"),
	})
	if err != nil {
		return err
	}
	l.screen.Print(screen.Good, "\nThe manager runs (process %d).\n", l.manager.PID())
	l.screen.Block(screen.Plain, text.String())
	l.screen.Print(screen.Good, "\nCtrl-C ends every run, waits until each is restored, and stops.")
	l.screen.Print(screen.Marked, "Leave this machine on and online while a run is on. If it dies: start make local again, or run kubectl agentdisconnect sweep from any machine (docs/sweep.md).")
	return nil
}
