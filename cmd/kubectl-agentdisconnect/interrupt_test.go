// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

func TestCtrlCWithoutATerminalLeavesTheRun(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		r := newRuns(t)
		r.begin("run", "-f", r.file(manifest))
		r.only()
		r.signals <- signal
		r.Expect(r.end()).To(Equal(exitInterrupted))
		r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring("The run goes on"), ContainSubstring("kubectl agentdisconnect stop pipeline-")))
		r.Expect(r.objects()).To(HaveLen(1))
	}
}

func TestCtrlCAtATerminalAsksOnce(t *testing.T) {
	const question = "End the run?"
	for name, tc := range map[string]struct {
		answer func(r *runs, typed io.Writer)
		code   int
		want   string
		left   int
	}{
		"yes ends it": {func(_ *runs, typed io.Writer) { _, _ = typed.Write([]byte("y\n")) }, exitFailed, "was ended on request", 0},
		"again leaves it": {func(r *runs, _ io.Writer) { r.signals <- os.Interrupt },
			exitInterrupted, "The run goes on", 1},
		"no follows on": {func(r *runs, typed io.Writer) {
			_, _ = typed.Write([]byte("n\n"))
			r.sees("Ctrl-C stops following; the run goes on.")
			r.signals <- os.Interrupt
		}, exitInterrupted, "The run goes on", 1},
		"and the run may end meanwhile": {func(r *runs, _ io.Writer) {
			r.write(r.only(), yes, v1alpha1.StateCompleted, "all is well", "")
		}, exitDone, "Completed: all is well", 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRuns(t)
			typed := r.at(120, 40)
			r.begin("run", "-f", r.file(manifest))
			r.only()
			r.sees("Ctrl-C asks whether to end the run.")
			r.signals <- os.Interrupt
			r.sees(question)
			tc.answer(r, typed)
			r.Expect(r.end()).To(Equal(tc.code), r.said())
			r.Expect(r.said()).To(ContainSubstring(tc.want))
			r.Expect(strings.Count(r.said(), question)).To(Equal(1))
			r.Expect(r.objects()).To(HaveLen(tc.left))
		})
	}
}
