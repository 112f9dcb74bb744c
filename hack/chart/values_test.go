// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// in expects a field of an object, by its path; a field that is missing is nil.
func in(key string, matcher gomegatypes.GomegaMatcher, path ...string) func(Gomega, objects) {
	return func(g Gomega, all objects) {
		g.Expect(all).To(HaveKey(key))
		value, _, err := unstructured.NestedFieldNoCopy(all[key].Object, path...)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(value).To(matcher, "%s: %v", key, path)
	}
}

func inPod(field string, matcher gomegatypes.GomegaMatcher) func(Gomega, objects) {
	return in("Deployment "+manager, matcher, "spec", "template", "spec", field)
}

// inManager expects a field of the manager's container.
func inManager(field string, matcher gomegatypes.GomegaMatcher) func(Gomega, objects) {
	return inPod("containers", ConsistOf(HaveKeyWithValue(field, matcher)))
}

func without(key string) func(Gomega, objects) {
	return func(g Gomega, all objects) { g.Expect(all).NotTo(HaveKey(key)) }
}

func secretKey(name, key string) gomegatypes.GomegaMatcher {
	return HaveKeyWithValue("valueFrom", Equal(map[string]any{"secretKeyRef": map[string]any{"name": name, "key": key}}))
}

type (
	list = []any
	dict = map[string]any
)

func TestValues(t *testing.T) {
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	metrics, probes := dict{"name": "metrics", "containerPort": int64(8443)}, dict{"name": "probes", "containerPort": int64(8081)}
	for name, tc := range map[string]struct {
		set    []string
		values string
		want   []func(Gomega, objects)
	}{
		"an image by its tag":             {set: []string{"image.tag=v1.2.3"}, want: []func(Gomega, objects){inManager("image", Equal("registry.example.com/agentdisconnect:v1.2.3"))}},
		"an image by the chart's version": {want: []func(Gomega, objects){inManager("image", Equal("registry.example.com/agentdisconnect:dev"))}},
		"an image by its digest": {
			set:  []string{"image.tag=v1.2.3", "image.digest=" + digest},
			want: []func(Gomega, objects){inManager("image", Equal("registry.example.com/agentdisconnect@"+digest))},
		},
		"when to pull": {set: []string{"image.pullPolicy=Always"}, want: []func(Gomega, objects){inManager("imagePullPolicy", Equal("Always"))}},
		"pull secrets": {set: []string{"imagePullSecrets[0].name=registry"}, want: []func(Gomega, objects){inPod("imagePullSecrets", Equal(list{dict{"name": "registry"}}))}},
		"two managers are never at work beside each other": {
			set:  []string{"replicas=1", "flags.leader-elect=false"},
			want: []func(Gomega, objects){in("Deployment "+manager, Equal("Recreate"), "spec", "strategy", "type")},
		},
		"with a lease the old manager works until the new one does": {want: []func(Gomega, objects){in("Deployment "+manager, BeNil(), "spec", "strategy")}},
		"an image in a registry with a port":                        {set: []string{"image.repository=registry:5000/team/agentdisconnect"}, want: []func(Gomega, objects){inManager("image", Equal("registry:5000/team/agentdisconnect:dev"))}},
		"a dashboard without labels": {
			set:  []string{"dashboard.enabled=true", "dashboard.labels=null"},
			want: []func(Gomega, objects){in("ConfigMap agentdisconnect-dashboards", Not(HaveKey("grafana_dashboard")), "metadata", "labels")},
		},
		"names that look like numbers": {
			values: "serviceAccount: {name: \"123\"}\npriorityClassName: \"456\"\n",
			want: []func(Gomega, objects){
				inPod("serviceAccountName", Equal("123")), inPod("priorityClassName", Equal("456")),
				in("RoleBinding agentdisconnect-leader-election", ConsistOf(HaveKeyWithValue("name", "123")), "subjects"),
			},
		},
		"one replica": {set: []string{"replicas=1"}, want: []func(Gomega, objects){in("Deployment "+manager, BeEquivalentTo(1), "spec", "replicas")}},
		"no limits but others": {
			set:  []string{"resources.limits=null", "resources.requests.memory=1Gi"},
			want: []func(Gomega, objects){inManager("resources", Equal(dict{"requests": dict{"cpu": "50m", "memory": "1Gi"}}))},
		},
		"a flag that is left out": {
			set:  []string{"flags.metrics-bind-address=null"},
			want: []func(Gomega, objects){inManager("args", Equal(list{"--health-probe-bind-address=:8081", "--leader-elect"})), inManager("ports", ConsistOf(metrics, probes))},
		},
		"other ports": {
			set: []string{"flags.metrics-bind-address=:9443", "flags.health-probe-bind-address=:9081"},
			want: []func(Gomega, objects){inManager("ports", ConsistOf(
				dict{"name": "metrics", "containerPort": int64(9443)}, dict{"name": "probes", "containerPort": int64(9081)}))},
		},
		"no metrics": {
			set: []string{"flags.metrics-bind-address=0"},
			want: []func(Gomega, objects){
				inManager("ports", ConsistOf(probes)), without("Service " + manager + "-metrics"),
				in("NetworkPolicy "+manager, BeNil(), "spec", "ingress"),
			},
		},
		"nothing of AWS by default": {want: []func(Gomega, objects){inPod("containers", ConsistOf(Not(HaveKey("env"))))}},
		"outside of EKS": {
			set: []string{"aws.region=ap-northeast-1", "aws.endpointURL=http://aws.example.com:4566", "aws.credentials.secretName=keys"},
			want: []func(Gomega, objects){inManager("env", HaveExactElements(
				Equal(dict{"name": "AWS_REGION", "value": "ap-northeast-1"}), Equal(dict{"name": "AWS_ENDPOINT_URL", "value": "http://aws.example.com:4566"}),
				And(HaveKeyWithValue("name", "AWS_ACCESS_KEY_ID"), secretKey("keys", "AWS_ACCESS_KEY_ID")),
				And(HaveKeyWithValue("name", "AWS_SECRET_ACCESS_KEY"), secretKey("keys", "AWS_SECRET_ACCESS_KEY"))))},
		},
		"temporary keys by other names": {
			set: []string{"aws.credentials.secretName=keys", "aws.credentials.accessKeyIDKey=id", "aws.credentials.secretAccessKeyKey=secret", "aws.credentials.sessionTokenKey=token"},
			want: []func(Gomega, objects){inManager("env", HaveExactElements(
				secretKey("keys", "id"), secretKey("keys", "secret"), And(HaveKeyWithValue("name", "AWS_SESSION_TOKEN"), secretKey("keys", "token"))))},
		},
		"further variables and mounts": {
			values: "env: [{name: HTTPS_PROXY, value: 'http://proxy:3128'}]\nvolumes: [{name: token, emptyDir: {}}]\nvolumeMounts: [{name: token, mountPath: /token}]\n",
			want: []func(Gomega, objects){
				inManager("env", Equal(list{dict{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}})),
				inPod("volumes", Equal(list{dict{"name": "token", "emptyDir": dict{}}})), inManager("volumeMounts", Equal(list{dict{"name": "token", "mountPath": "/token"}})),
			},
		},
		"IRSA": {
			set: []string{`serviceAccount.annotations.eks\.amazonaws\.com/role-arn=arn:aws:iam::123456789012:role/agentdisconnect`},
			want: []func(Gomega, objects){
				in("ServiceAccount "+manager, HaveKeyWithValue("eks.amazonaws.com/role-arn", "arn:aws:iam::123456789012:role/agentdisconnect"), "metadata", "annotations"),
				in("Deployment "+manager, HaveKey("agentdisconnect.dev/service-account"), "spec", "template", "metadata", "annotations"),
			},
		},
		"a service account that exists": {
			set: []string{"serviceAccount.create=false", "serviceAccount.name=mine"},
			want: []func(Gomega, objects){
				without("ServiceAccount mine"), inPod("serviceAccountName", Equal("mine")),
				in("ClusterRoleBinding agentdisconnect-manager-role", ConsistOf(HaveKeyWithValue("name", "mine")), "subjects"),
				in("RoleBinding agentdisconnect-leader-election", ConsistOf(HaveKeyWithValue("name", "mine")), "subjects"),
				in("ClusterRoleBinding agentdisconnect-metrics-auth", ConsistOf(HaveKeyWithValue("name", "mine")), "subjects"),
			},
		},
		"CRDs from elsewhere": {set: []string{"crds.enabled=false"}, want: []func(Gomega, objects){
			without("CustomResourceDefinition agentdisconnects.chaos.agentdisconnect.dev"), without("CustomResourceDefinition agentdisconnectschedules.chaos.agentdisconnect.dev"),
			without("CustomResourceDefinition agentdisconnecthalts.chaos.agentdisconnect.dev"),
		}},
		"CRDs with annotations, and kept all the same": {
			set: []string{`crds.annotations.helm\.sh/resource-policy=none`, `crds.annotations.team=chaos`},
			want: []func(Gomega, objects){in("CustomResourceDefinition agentdisconnects.chaos.agentdisconnect.dev",
				And(HaveKeyWithValue("helm.sh/resource-policy", "keep"), HaveKeyWithValue("team", "chaos"), HaveKey("controller-gen.kubebuilder.io/version")), "metadata", "annotations")},
		},
		"nothing but the manager": {
			set:  []string{"podDisruptionBudget.enabled=false", "networkPolicy.enabled=false"},
			want: []func(Gomega, objects){without("PodDisruptionBudget " + manager), without("NetworkPolicy " + manager)},
		},
		"what Prometheus selects by": {
			set: []string{"serviceMonitor.enabled=true", "serviceMonitor.labels.release=stack", "serviceMonitor.interval=15s", "prometheusRule.enabled=true", "prometheusRule.labels.release=stack", "serviceMonitor.prometheus.serviceAccountName=mine"},
			want: []func(Gomega, objects){
				in("ServiceMonitor "+manager, HaveKeyWithValue("release", "stack"), "metadata", "labels"),
				in("ServiceMonitor "+manager, ConsistOf(And(HaveKeyWithValue("interval", "15s"), HaveKeyWithValue("scheme", "https"))), "spec", "endpoints"),
				in("PrometheusRule "+manager, HaveKeyWithValue("release", "stack"), "metadata", "labels"),
				in("ClusterRoleBinding agentdisconnect-prometheus-metrics-reader", ConsistOf(HaveKeyWithValue("name", "mine")), "subjects"),
			},
		},
		"metrics without TLS, and Prometheus without a permission": {
			set: []string{"serviceMonitor.enabled=true", "flags.metrics-secure=false", "serviceMonitor.prometheus.serviceAccountName="},
			want: []func(Gomega, objects){
				in("ServiceMonitor "+manager, ConsistOf(And(HaveKeyWithValue("scheme", "http"), Not(HaveKey("tlsConfig")), Not(HaveKey("bearerTokenFile")))), "spec", "endpoints"),
				without("ClusterRoleBinding agentdisconnect-prometheus-metrics-reader"),
			},
		},
		"where the pods run": {
			values: "nodeSelector: {pool: system}\ntolerations: [{operator: Exists}]\naffinity: {nodeAffinity: {}}\npriorityClassName: high\npodLabels: {team: chaos}\npodAnnotations: {note: x}\nterminationGracePeriodSeconds: 60\n",
			want: []func(Gomega, objects){
				inPod("nodeSelector", Equal(dict{"kubernetes.io/os": "linux", "pool": "system"})), inPod("tolerations", Equal(list{dict{"operator": "Exists"}})),
				inPod("affinity", Equal(dict{"nodeAffinity": dict{}})), inPod("priorityClassName", Equal("high")), inPod("terminationGracePeriodSeconds", BeEquivalentTo(60)),
				in("Deployment "+manager, HaveKeyWithValue("team", "chaos"), "spec", "template", "metadata", "labels"),
				in("Deployment "+manager, HaveKeyWithValue("note", "x"), "spec", "template", "metadata", "annotations"),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{repoFlag}
			if tc.values != "" {
				file := filepath.Join(t.TempDir(), "values.yaml")
				NewWithT(t).Expect(os.WriteFile(file, []byte(tc.values), 0o600)).To(Succeed())
				args = append(args, "--values="+file)
			}
			for _, each := range tc.set {
				args = append(args, "--set="+each)
			}
			all := rendered(t, args...)
			for _, want := range tc.want {
				want(NewWithT(t), all)
			}
		})
	}
}

func TestWhatContradictsItselfIsRefusedWithTheFix(t *testing.T) {
	for name, tc := range map[string]struct{ set, want string }{
		"no image":                      {"image.repository=", "image.repository is not set, and nothing is published yet"},
		"a misspelt flag":               {"flags.max-duratoin=1h", "additional properties 'max-duratoin' not allowed"},
		"a misspelt value":              {"replica=1", "additional properties 'replica' not allowed"},
		"a flag that is for people":     {"flags.version=true", "additional properties 'version' not allowed"},
		"a word for a number":           {"flags.max-active-runs=many", "'/flags/max-active-runs': got string, want integer"},
		"fewer runs than none":          {"flags.max-active-runs=-1", "'/flags/max-active-runs': minimum"},
		"no duration":                   {"flags.max-duration=long", `flags.max-duration is "long": write a duration with its unit`},
		"a digest that is none":         {"image.digest=v1", `image.digest is "v1": write sha256: and 64 hexadecimal digits`},
		"two managers without election": {"flags.leader-elect=false", "replicas is 2 without flags.leader-elect: all of them would work at once"},
		"half a dead man's switch":      {"flags.deadman-schedule-group=group", "flags.deadman-role-arn and flags.deadman-schedule-group go together"},
		"no probes":                     {"flags.health-probe-bind-address=none", `flags.health-probe-bind-address is "none": the kubelet needs an address with a port`},
		"an endpoint that is no URL":    {"aws.endpointURL=aws.example.com:4566", `aws.endpointURL is "aws.example.com:4566": write a URL`},
		"no worker for what is on":      {"flags.max-concurrent-reconciles=1", "'/flags/max-concurrent-reconciles': minimum"},
		"a number for an address":       {"flags.metrics-bind-address=8443", "'/flags/metrics-bind-address'"},
		"a lease out of reach":          {"flags.leader-election-namespace=chaos", `may write leases in the release's namespace agentdisconnect-system alone`},
		"no time to stop":               {"terminationGracePeriodSeconds=20", "terminationGracePeriodSeconds is 20, and the manager may take 20s to stop"},
		"no time for a longer stop":     {"flags.graceful-shutdown-timeout=45s", "terminationGracePeriodSeconds is 30, and the manager may take 45s to stop"},
		"Prometheus of no namespace":    {"serviceMonitor.enabled=true,serviceMonitor.prometheus.namespace=", "serviceMonitor.prometheus.namespace is empty: name the namespace of the service account prometheus-k8s"},
		"a repository with a tag":       {"image.repository=registry.example.com/agentdisconnect:v1", "'/image/repository'"},
		"annotations of nothing":        {"serviceAccount.create=false,serviceAccount.annotations.team=chaos", "annotate agentdisconnect-controller-manager yourself"},
		"pages without the slash":       {"prometheusRule.docs=https://git.example.com", "'/prometheusRule/docs'"},
		"a monitor of nothing":          {"serviceMonitor.enabled=true,flags.metrics-bind-address=0", "serviceMonitor.enabled needs metrics"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := template(t, repoFlag, "--set="+tc.set)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(tc.want)))
		})
	}
}

func TestTheDashboardsOfTheChartsFolderAreInAConfigMapForTheSidecar(t *testing.T) {
	g := NewWithT(t)
	copied := t.TempDir()
	g.Expect(os.CopyFS(copied, os.DirFS(folder))).To(Succeed())
	dashboards := filepath.Join(copied, "dashboards")
	config := func() (string, error) {
		return helm(t, "/nonexistent", "template", release, copied, repoFlag, "--set=dashboard.enabled=true", "--show-only=templates/monitoring.yaml")
	}
	g.Expect(os.RemoveAll(dashboards)).To(Succeed())
	_, err := config()
	g.Expect(err).To(MatchError(ContainSubstring("the chart's folder dashboards has none")))

	const text = `{"title": "{{ $value }} stays as it is", "panels": []}`
	g.Expect(os.Mkdir(dashboards, 0o700)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(dashboards, "runs.json"), []byte(text), 0o600)).To(Succeed())
	stream, err := config()
	g.Expect(err).NotTo(HaveOccurred())
	found := parse(g, stream)["ConfigMap agentdisconnect-dashboards"]
	g.Expect(found.GetLabels()).To(HaveKeyWithValue("grafana_dashboard", "1"))
	g.Expect(found.Object["data"]).To(Equal(dict{"runs.json": text}))
}

func TestTheChartIsLinted(t *testing.T) {
	_, err := helm(t, "/nonexistent", "lint", "--strict", "--set=image.repository=registry.example.com/agentdisconnect", "config/chart")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}
