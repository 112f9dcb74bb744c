// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

// awaitVerifying waits until nothing of the run is left to do but to look at its callers.
func (w *walk) awaitVerifying(ctx context.Context) (string, error) {
	err := w.until(ctx, func(ctx context.Context) (bool, string, error) {
		err := w.read(ctx)
		return w.is(v1alpha1.StateVerifying), w.state(), err
	})
	if err != nil {
		return "", err
	}
	w.showRun()
	if len(w.obj.Status.Rules) > 0 {
		return "", errors.New("status.rules is not empty")
	}
	return "status.rules is empty, and the run goes on to read CloudTrail while act 2 is on", nil
}

// judge waits for the verdict, and for the object to be let go, and shows who recovered.
func (w *walk) judge(ctx context.Context) (string, error) {
	w.obj = v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Name: name}}
	err := w.until(ctx, func(ctx context.Context) (bool, string, error) {
		err := w.read(ctx)
		succeeded := meta.IsStatusConditionTrue(w.obj.Status.Conditions, v1alpha1.ConditionSucceeded)
		seen := w.state()
		if agents := w.obj.Status.Agents; w.is(v1alpha1.StateVerifying) && agents != nil && agents.ReconnectedTime != nil {
			seen = "Verifying: CloudTrail shows all about " + clock(agents.ReconnectedTime.Add(recoverWithin+wholeSeconds(w.trailMost())))
		}
		return succeeded && len(w.obj.Finalizers) == 0, seen, err
	})
	if err != nil {
		return "", err
	}
	w.finished = *w.obj.DeepCopy()
	w.showCallers()
	w.screen.Print(screen.Plain, "")
	w.showConditions()
	if len(w.obj.Status.Rules) > 0 {
		return "", errors.New("status.rules is not empty")
	}
	if err := w.goodVerdict(); err != nil {
		return "", err
	}
	return fmt.Sprintf("the run succeeded, and CallersRecovered is False: %s recovered, and %s did not", short(w.retries.role), short(w.givesUp.role)), nil
}

// showCallers shows what the status says of the callers.
func (w *walk) showCallers() {
	seen := w.obj.Status.Callers
	if seen == nil {
		return
	}
	w.screen.Print(screen.Dim, "  status.callers")
	w.screen.Table(nil, []screen.Row{
		{Cells: []string{"met, recovered, notRecovered", fmt.Sprintf("%d, %d, %d", seen.Met, seen.Recovered, seen.NotRecovered)}},
		{Cells: []string{"calls, metCalls", fmt.Sprintf("%d, %d", seen.Calls, seen.MetCalls)}},
	})
	var rows []screen.Row
	for _, c := range seen.Callers {
		row := screen.Row{Style: screen.Good, Cells: []string{
			strings.TrimPrefix(c.Principal, "arn:aws:iam::"), c.Family, string(c.Outcome), fmt.Sprint(c.MetCalls), fmt.Sprint(c.StartedTasks),
		}}
		if c.Outcome != v1alpha1.CallerRecovered {
			row.Style = screen.Bad
		}
		rows = append(rows, row)
	}
	w.screen.Table([]string{"PRINCIPAL", "FAMILY", "OUTCOME", "MET AGENT", "TASKS"}, rows)
}

// goodVerdict says where the status differs from what the callers themselves printed.
func (w *walk) goodVerdict() error {
	seen := w.obj.Status.Callers
	if seen == nil || seen.Met != 2 || seen.Recovered != 1 || seen.NotRecovered != 1 || len(seen.Callers) != 2 {
		return fmt.Errorf("two callers met AGENT, and one recovered: status.callers is %+v", seen)
	}
	for i, want := range []struct {
		*caller
		outcome v1alpha1.CallerOutcome
		tasks   int32
	}{{w.givesUp, v1alpha1.CallerNotRecovered, 0}, {w.retries, v1alpha1.CallerRecovered, 1}} {
		got := seen.Callers[i]
		if got.Principal != want.role || got.Family != want.family || got.Outcome != want.outcome || int(got.MetCalls) != want.met() || got.StartedTasks != want.tasks {
			return fmt.Errorf("%s met AGENT %d times and started %d tasks: status.callers has %+v", want.role, want.met(), want.tasks, got)
		}
	}
	c := meta.FindStatusCondition(w.obj.Status.Conditions, v1alpha1.ConditionCallersRecovered)
	if c == nil || c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.StateCallersDidNotRecover {
		return fmt.Errorf("condition CallersRecovered is %+v", c)
	}
	return nil
}

// report has the plugin write the run's report to a file, and shows what it says in short.
func (w *walk) report(ctx context.Context) (string, error) {
	html, err := w.pluginReport(ctx, "html")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(w.reportFile), 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(w.reportFile, html, 0o644); err != nil {
		return "", err
	}
	w.screen.Print(screen.Dim, "  $ kubectl agentdisconnect report %s -o html > %s", name, w.reportFile)
	text, err := w.pluginReport(ctx, "text")
	if err != nil {
		return "", err
	}
	w.screen.Print(screen.Dim, "  $ kubectl agentdisconnect report %s", name)
	callers := section(string(text), "Callers")
	w.screen.Print(screen.Plain, "  …\n%s\n  …", callers)
	for _, needed := range []string{w.retries.role, w.givesUp.role, "<svg"} {
		if !bytes.Contains(html, []byte(needed)) {
			return "", fmt.Errorf("%s lacks %s", w.reportFile, needed)
		}
	}
	if !strings.Contains(callers, w.retries.role) || !strings.Contains(callers, w.givesUp.role) {
		return "", errors.New("the report as text lacks a caller")
	}
	return fmt.Sprintf("the report is in %s (%d kB): open it in a browser", w.reportFile, len(html)/1000), nil
}

// section is a section of a report as text: its title and the lines below it, indented.
func section(text, title string) string {
	_, found, _ := strings.Cut(text, "\n"+title+"\n")
	found, _, _ = strings.Cut(found, "\n\n")
	if found == "" {
		return ""
	}
	return "  " + title + "\n  " + strings.ReplaceAll(strings.TrimRight(found, "\n"), "\n", "\n  ")
}

// pluginReport is the report of the first act's run in a format, by way of kubectl where there is one.
func (w *walk) pluginReport(ctx context.Context, format string) ([]byte, error) {
	plugin := filepath.Join(w.stack.Dir, filepath.Base(pluginProgram))
	args := []string{"report", name, "--namespace", namespace, "-o", format}
	cmd := exec.CommandContext(ctx, plugin, args...)
	if w.stack.Kubectl != "" {
		cmd = exec.CommandContext(ctx, w.stack.Kubectl, append([]string{"agentdisconnect"}, args...)...)
	}
	cmd.Env = []string{"KUBECONFIG=" + w.stack.Kubeconfig, "HOME=" + w.stack.Dir, "PATH=" + w.stack.Dir}
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, fmt.Errorf("kubectl agentdisconnect report: %w: %s", err, exit.Stderr)
	}
	return out, err
}
