// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"os"
	"strings"
	"text/template"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

// guideText is what to do first. All of it can be pasted into a shell.
//
//go:embed guide.sh.tmpl
var guideText string

// guide writes the file that points a shell here, and prints the first commands.
func (l *local) guide() error {
	var env strings.Builder
	fmt.Fprintf(&env, "export KUBECONFIG=%s AWS_REGION=%s AWS_PAGER=\n", quote(l.place.file("kubeconfig")), l.account.region)
	// Credentials are not written: the shell needs the same ones.
	for _, name := range []string{"AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		if value := os.Getenv(name); value != "" {
			fmt.Fprintf(&env, "export %s=%s\n", name, quote(value))
		}
	}
	fmt.Fprintf(&env, "export PATH=%s:\"$PATH\":%s\n", quote(l.settings.programs), quote(os.Getenv("KUBEBUILDER_ASSETS")))
	if err := os.WriteFile(l.place.file("env"), []byte(env.String()), 0o600); err != nil {
		return err
	}

	plan, run, err := l.freeNames()
	if err != nil {
		return err
	}
	var text strings.Builder
	err = template.Must(template.New("guide").Parse(guideText)).Execute(&text, map[string]any{
		"env": quote(l.place.file("env")), "log": quote(l.place.file("manager.log")), "plan": plan, "run": run,
		"cluster": cmp.Or(l.target.cluster, "CLUSTER"), "subnet": cmp.Or(l.target.subnet, "SUBNET"),
		"consentKey": l.settings.consentKey, "consent": l.target.consent,
		// The tag of a subnet without agents was not read: the plan says what it lacks.
		"lacksConsent": l.target.agents > 0 && !l.target.allows(l.settings.consentKey),
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

// freeNames are names for a plan and a run that no object of the namespace default has yet.
func (l *local) freeNames() (plan, run string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), apiTimeout)
	defer cancel()
	var objects v1alpha1.AgentDisconnectList
	if err := l.plane.Client.List(ctx, &objects, client.InNamespace(metav1.NamespaceDefault)); err != nil {
		return "", "", err
	}
	taken := map[string]bool{}
	for _, obj := range objects.Items {
		taken[obj.Name] = true
	}
	free := func(name string) string {
		found := name
		for i := 2; taken[found]; i++ {
			found = fmt.Sprintf("%s-%d", name, i)
		}
		return found
	}
	return free("look"), free("first"), nil
}

// quote makes a text one word of a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
