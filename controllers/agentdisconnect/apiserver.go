// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/controllers/aws/apihosts"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
)

// +kubebuilder:rbac:groups=discovery.k8s.io,resources=endpointslices,resourceNames=kubernetes,verbs=get

// apiServerName is how messages call the Kubernetes API server.
const apiServerName = "the Kubernetes API server"

// APIServer finds the addresses of the Kubernetes API server: of the host that the manager is
// configured with, and those that the API server publishes of itself, which are behind the
// service's virtual one.
func APIServer(host string, reader client.Reader) func(context.Context) ([]discovery.Protected, error) {
	resolver := discovery.NewResolver("")
	return func(ctx context.Context) ([]discovery.Protected, error) {
		// It need not be known to the DNS: the manager may reach it by a name of its own
		// configuration.
		found, err := resolver.LookupProtected(ctx, []apihosts.Host{{Hostname: hostname(host), API: apiServerName}}, true)
		if err != nil {
			return found, err
		}
		slice := &discoveryv1.EndpointSlice{}
		key := client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: "kubernetes"}
		if err := reader.Get(ctx, key, slice); client.IgnoreNotFound(err) != nil {
			return found, fmt.Errorf("finding the addresses of %s in the endpoint slice %s: %w", apiServerName, key, err)
		}
		for _, endpoint := range slice.Endpoints {
			for _, text := range endpoint.Addresses {
				if address, err := netip.ParseAddr(text); err == nil {
					found = append(found, discovery.Protected{Address: address.Unmap(), Name: "endpoint slice " + key.String(), API: apiServerName})
				}
			}
		}
		return found, nil
	}
}

// hostname is the host of an address as kubeconfig files have it: a URL, or a host with or without
// a port.
func hostname(address string) string {
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	parsed, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(parsed.Hostname())
}
