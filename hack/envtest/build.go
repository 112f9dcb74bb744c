// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// mains are the commands to build, by the name of their binary.
var mains = map[string]string{
	"etcd":           "go.etcd.io/etcd/server/v3",
	"kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
	"kubectl":        "k8s.io/kubernetes/cmd/kubectl",
}

// build compiles the binaries from the modules that go.mod pins.
func build(ctx context.Context, temp string) (string, error) {
	if err := requireSpace(ctx); err != nil {
		return "", err
	}
	say("building etcd %s, kube-apiserver and kubectl %s from source, once; on two cores that takes 6 to 12 minutes",
		pinned("go.etcd.io/etcd/server/v3"), pinned("k8s.io/kubernetes"))
	p := startProgress()
	defer p.stop()

	packages, err := fetchSources(ctx, p)
	if err != nil {
		return "", err
	}
	bin := filepath.Join(temp, "bin")
	if err := compile(ctx, p, bin, packages); err != nil {
		return "", err
	}
	// etcd's main package is the root of its server module, and go build names binaries after folders.
	return bin, os.Rename(filepath.Join(bin, "server"), filepath.Join(bin, "etcd"))
}

// fetchSources downloads what the commands import and lists it.
func fetchSources(ctx context.Context, p *progress) (map[string]bool, error) {
	args := []string{"list", "-deps"}
	for _, main := range mains {
		args = append(args, main)
	}
	modules := 0
	p.set("fetching sources")
	cmd := goCommand(ctx, args...)
	list, err := follow(cmd, func(line string) bool {
		module, found := strings.CutPrefix(line, "go: downloading ")
		if found {
			modules++
			p.set("fetching sources: module %d, %s", modules, module)
		}
		return found
	})
	if err != nil {
		return nil, err
	}
	packages := map[string]bool{}
	for line := range strings.Lines(list) {
		packages[strings.TrimSpace(line)] = true
	}
	return packages, nil
}

// compile builds all commands into bin. One go build for all of them, so that they share both cores to the end.
func compile(ctx context.Context, p *progress, bin string, packages map[string]bool) error {
	args := []string{"build", "-v", "-tags", "grpcnotrace", "-ldflags", stamp(), "-o", bin + string(filepath.Separator)}
	left := map[string]bool{}
	for _, main := range mains {
		args = append(args, main)
		left[main] = true
	}
	done := 0
	p.set("compiling what the build cache lacks of %d packages", len(packages))
	_, err := follow(goCommand(ctx, args...), func(line string) bool {
		if !packages[line] {
			return false
		}
		done++
		delete(left, line)
		// What the build cache has is not named, so the count may end short of the total.
		if len(left) == 0 {
			p.set("linking, the last step")
		} else {
			p.set("compiling: %d of %d packages, %s", done, len(packages), line)
		}
		return true
	})
	return err
}

// stamp tells the binaries their version, as the release build of Kubernetes does: without it kube-apiserver
// says v0.0.0 and clients misjudge what it can do.
func stamp() string {
	version := pinned("k8s.io/kubernetes")
	numbers := strings.Split(strings.TrimPrefix(version, "v"), ".")
	flags := []string{"-s", "-w"}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags = append(flags,
			"-X", pkg+".gitVersion="+version,
			"-X", pkg+".gitMajor="+numbers[0],
			"-X", pkg+".gitMinor="+numbers[1],
			"-X", pkg+".gitTreeState=archive")
	}
	return strings.Join(flags, " ")
}

// goCommand runs go in this module, whatever a workspace or a cross-compiling environment says.
func goCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOOS=", "GOARCH=", "CGO_ENABLED=0")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd
}

// follow runs cmd and returns what it printed. It shows each line of standard error to seen as it comes;
// lines that seen does not know are the error message if cmd fails.
func follow(cmd *exec.Cmd, seen func(line string) bool) (string, error) {
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return "", err
	}
	var stdout strings.Builder
	cmd.Stdout = &stdout
	if err := cmd.Start(); err != nil {
		return "", err
	}
	var complaint []string
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if !seen(lines.Text()) {
			complaint = append(complaint, lines.Text())
		}
	}
	// A line too long to scan ends the loop early; cmd must still be able to finish writing.
	_, _ = io.Copy(io.Discard, stderr)
	if err := cmd.Wait(); err != nil {
		return "", explain(strings.Join(complaint, "\n"), err)
	}
	return stdout.String(), nil
}

func explain(complaint string, err error) error {
	if strings.Contains(complaint, syscall.ENOSPC.Error()) {
		return fmt.Errorf("the disk is full, and the build needs %d GB; GOCACHE, GOMODCACHE, TMPDIR and XDG_CACHE_HOME say where\n%s", needGB, complaint)
	}
	return fmt.Errorf("%w\n%s", err, complaint)
}

// needGB is a little more than what a first build was seen to take in module cache, build cache and binaries.
const needGB = 4

// requireSpace fails now rather than minutes into the build.
func requireSpace(ctx context.Context) error {
	cache, err := output(goCommand(ctx, "env", "GOCACHE"))
	if err != nil {
		return err
	}
	var disk syscall.Statfs_t
	if err := errors.Join(os.MkdirAll(cache, 0o755), syscall.Statfs(cache, &disk)); err != nil {
		return err
	}
	if free := disk.Bavail * uint64(disk.Bsize) >> 30; free < needGB {
		return fmt.Errorf("the build needs %d GB, and the disk of %s has %d GB left; set GOCACHE to use another", needGB, cache, free)
	}
	return nil
}

// check runs the server once: a binary that can't start, or is not what was requested, must not get into the cache.
func check(ctx context.Context, dir, version string) error {
	said, err := output(exec.CommandContext(ctx, filepath.Join(dir, "kube-apiserver"), "--version"))
	if err != nil {
		return err
	}
	minor := version[:strings.LastIndex(version, ".")+1]
	if !strings.Contains(said, " v"+minor) {
		return fmt.Errorf("kube-apiserver --version says %q instead of v%s", said, version)
	}
	return nil
}
