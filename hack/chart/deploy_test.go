// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// write makes an overlay of this text, in which REPO is the repository's folder.
func write(g Gomega, dir, text string) {
	repo, err := filepath.Abs(root)
	g.Expect(err).NotTo(HaveOccurred())
	for _, path := range []*string{&dir, &repo} {
		*path, err = filepath.EvalSymlinks(*path)
		g.Expect(err).NotTo(HaveOccurred())
	}
	relative, err := filepath.Rel(dir, repo)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(strings.ReplaceAll(text, "REPO", relative)), 0o600)).To(Succeed())
}

const ownImage = "resources: [REPO/config/default]\nimages: [{name: agentdisconnect, newName: registry.example.com/mine, newTag: v3}]\n"

func TestOneManifest(t *testing.T) {
	for name, tc := range map[string]struct {
		overlay, img   string
		image, refused string
	}{
		"IMG":                        {img: "registry.example.com/agentdisconnect:v2", image: "registry.example.com/agentdisconnect:v2"},
		"IMG by digest":              {img: "registry.example.com/agentdisconnect@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", image: "registry.example.com/agentdisconnect@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
		"IMG for an overlay":         {overlay: "resources: [REPO/config/default]\n", img: "registry.example.com/agentdisconnect:v2", image: "registry.example.com/agentdisconnect:v2"},
		"an overlay with its image":  {overlay: ownImage, image: "registry.example.com/mine:v3"},
		"nothing":                    {refused: "IMG is not set, and no registry has the image agentdisconnect:dev"},
		"an overlay without one":     {overlay: "resources: [REPO/config/default]\n", refused: "IMG is not set"},
		"two images":                 {overlay: ownImage, img: "registry.example.com/agentdisconnect:v2", refused: "sets another image, so IMG=registry.example.com/agentdisconnect:v2 would have no effect"},
		"an overlay of nothing else": {overlay: "resources: [REPO/config/crd]\n", img: "registry.example.com/agentdisconnect:v2", refused: "renders no Deployment"},
	} {
		t.Run(name, func(t *testing.T) {
			tool(t, "kustomize")
			g := NewWithT(t)
			file := filepath.Join(t.TempDir(), "install.yaml")
			args := []string{"build-installer", "INSTALLER=" + file}
			if tc.img != "" {
				args = append(args, "IMG="+tc.img)
			}
			if tc.overlay != "" {
				dir := t.TempDir()
				write(g, dir, tc.overlay)
				args = append(args, "OVERLAY="+dir)
			}
			_, err := command(t, nil, "make", args...)
			if tc.refused != "" {
				g.Expect(err).To(MatchError(ContainSubstring(tc.refused)))
				g.Expect(file).NotTo(BeAnExistingFile())
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			manifest, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(parse(g, string(manifest)).deployment(g).Spec.Template.Spec.Containers[0].Image).To(Equal(tc.image))
		})
	}
}

func TestAnOverlayThatIsMissingIsNamed(t *testing.T) {
	tool(t, "kustomize")
	for _, overlay := range []string{"config/nowhere", "docs"} {
		_, err := command(t, nil, "make", "build-installer", "INSTALLER="+filepath.Join(t.TempDir(), "install.yaml"), "OVERLAY="+overlay, "IMG=registry.example.com/agentdisconnect:v2")
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("OVERLAY=" + overlay + " is no folder with a kustomization.yaml")))
	}
}

func TestWithoutAClusterNothingIsAppliedAndTheVariableIsNamed(t *testing.T) {
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set: run it through make test")
	}
	for _, target := range []string{"install", "uninstall"} {
		_, err := command(t, nil, "make", target, "KUBECTL="+filepath.Join(assets, "kubectl"))
		NewWithT(t).Expect(err).To(MatchError(And(ContainSubstring("set KUBECONFIG to its kubeconfig"), Not(ContainSubstring("--validate=false")))), target)
	}
}
