// SPDX-License-Identifier: Apache-2.0

// Command envtest makes sure that etcd, kube-apiserver and kubectl are on this machine and prints the folder
// that holds them, for KUBEBUILDER_ASSETS. Standard output has that one line; progress goes to standard error.
//
// The first of these that works: KUBEBUILDER_ASSETS as set, the cache that an earlier run filled, the prebuilt
// binaries that setup-envtest fetches, a build from the sources that go.mod pins.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

//go:embed go.mod
var goMod string

var binaries = []string{"etcd", "kube-apiserver", "kubectl"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	dir, err := assets(ctx)
	if ctx.Err() != nil {
		err = errors.New("interrupted; what is compiled so far is kept, and the next run goes on from there")
	}
	stop()
	if err != nil {
		say("%v", err)
		os.Exit(1)
	}
	fmt.Println(dir)
}

// assets returns the folder with the binaries, having made it where there was none.
func assets(ctx context.Context) (string, error) {
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		missing := missingFrom(dir)
		if len(missing) == 0 {
			return dir, nil
		}
		say("KUBEBUILDER_ASSETS=%s has no %s, so it is not used", dir, strings.Join(missing, " and no "))
	}

	root, err := cacheRoot()
	if err != nil {
		return "", err
	}
	version := strings.TrimPrefix(pinned("k8s.io/kubernetes"), "v")
	dest := filepath.Join(root, fmt.Sprintf("%s-%s-%s", version, runtime.GOOS, runtime.GOARCH))
	if len(missingFrom(dest)) == 0 {
		return dest, nil
	}

	unlock, err := lock(ctx, filepath.Join(root, ".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if len(missingFrom(dest)) == 0 { // another process made it while this run waited for the lock
		return dest, nil
	}

	start := time.Now()
	temp, err := emptyTemp(root)
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	made, err := fetch(ctx, temp, version)
	if err != nil && ctx.Err() == nil {
		say("no prebuilt binaries: %v", err)
		made, err = build(ctx, temp)
	}
	if err != nil {
		return "", err
	}
	if err := check(ctx, made, version); err != nil {
		return "", err
	}
	if err := install(made, dest); err != nil {
		return "", err
	}
	say("ready after %s: %s", clock(time.Since(start)), dest)
	return dest, nil
}

// missingFrom names the binaries that dir lacks.
func missingFrom(dir string) []string {
	var missing []string
	for _, name := range binaries {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
			missing = append(missing, name)
		}
	}
	return missing
}

// cacheRoot is outside of the tree, so that a fresh clone need not build again.
func cacheRoot() (string, error) {
	base := os.Getenv("XDG_CACHE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no place for the cache, set XDG_CACHE_HOME: %w", err)
		}
		base = filepath.Join(home, ".cache")
	}
	root := filepath.Join(base, "agentdisconnect", "envtest")
	return root, os.MkdirAll(root, 0o755)
}

// pinned is the version of a module in this program's own go.mod, so that each is written down once.
func pinned(module string) string {
	m := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(module) + ` (v\S+)`).FindStringSubmatch(goMod)
	if m == nil {
		panic("hack/envtest/go.mod does not require " + module)
	}
	return m[1]
}

// lock keeps two runs from doing the same long work side by side. The kernel drops it when the process ends.
func lock(ctx context.Context, path string) (func(), error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for told := false; ; {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if !told {
			say("waiting for another run that is making the binaries")
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// emptyTemp makes a folder beside the destination, so that the last step is a rename, and clears what
// interrupted runs left: the holder of the lock is the only one that works here.
func emptyTemp(root string) (string, error) {
	stale, err := filepath.Glob(filepath.Join(root, ".new-*"))
	if err != nil {
		return "", err
	}
	for _, dir := range stale {
		if err := os.RemoveAll(dir); err != nil {
			return "", err
		}
	}
	return os.MkdirTemp(root, ".new-")
}

func install(made, dest string) error {
	if err := os.RemoveAll(dest); err != nil {
		return err
	}
	return os.Rename(made, dest)
}
