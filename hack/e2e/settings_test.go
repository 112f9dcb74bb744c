// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// settings are what the environment says, see docs/e2e.md.
type settings struct {
	image, oldImage     string
	config, oldConfig   string // what kustomize takes as a resource
	endpoint            string // the simulated Region as the suite reaches it
	podEndpoint         string // the same, as pods reach it
	dnsServer           string
	region, key, secret string
	kubectl             string
	stopAPI, startAPI   string // shell commands
	root                string // of the repository
}

func readSettings() (settings, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return settings{}, err
	}

	s := settings{
		image: os.Getenv("IMG"), oldImage: os.Getenv("IMG_OLD"),
		config: filepath.Join(root, "config", "default"), oldConfig: os.Getenv("E2E_OLD_CONFIG"),
		endpoint: os.Getenv("AWS_ENDPOINT_URL"), podEndpoint: os.Getenv("E2E_POD_ENDPOINT"),
		dnsServer: os.Getenv("E2E_DNS_SERVER"),
		region:    cmp.Or(os.Getenv("AWS_REGION"), "ap-northeast-1"),
		key:       cmp.Or(os.Getenv("AWS_ACCESS_KEY_ID"), "AKIASIMULATOR0000001"),
		secret:    cmp.Or(os.Getenv("AWS_SECRET_ACCESS_KEY"), "simulated-secret-access-key"),
		kubectl:   cmp.Or(os.Getenv("KUBECTL"), "kubectl"),
		stopAPI:   os.Getenv("E2E_API_SERVER_STOP"), startAPI: os.Getenv("E2E_API_SERVER_START"),
		root: root,
	}
	s.podEndpoint = cmp.Or(s.podEndpoint, s.endpoint)
	s.oldConfig = cmp.Or(s.oldConfig, s.config)
	return s, s.validate()
}

// validate refuses what would lead the suite to a cluster or an account that nobody named.
func (s settings) validate() error {
	var wrong []error
	for name, value := range map[string]string{"IMG": s.image, "AWS_ENDPOINT_URL": s.endpoint, "KUBECONFIG": os.Getenv("KUBECONFIG")} {
		if value == "" {
			wrong = append(wrong, fmt.Errorf("%s is not set: docs/e2e.md says what to set it to", name))
		}
	}
	if (s.stopAPI == "") != (s.startAPI == "") {
		wrong = append(wrong, errors.New("set both E2E_API_SERVER_STOP and E2E_API_SERVER_START, or neither"))
	}
	return errors.Join(wrong...)
}
