// Command certstorage-check loads a kind configuration as `kind create cluster --config` does, validates it, and prints the
// kubeadm configuration that kind would write on a node of the given version of Kubernetes, all by kind's own code.
package main

import (
	"fmt"
	"os"

	"sigs.k8s.io/kind/pkg/cluster/internal/kubeadm"
	"sigs.k8s.io/kind/pkg/internal/apis/config/encoding"
	"sigs.k8s.io/kind/pkg/internal/patch"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: certstorage-check <kind configuration> <version of Kubernetes>")
		os.Exit(2)
	}
	rendered, err := check(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	fmt.Print(rendered)
}

func check(path, version string) (string, error) {
	cluster, err := encoding.Load(path)
	if err != nil {
		return "", err
	}
	if err := cluster.Validate(); err != nil {
		return "", err
	}
	rendered, err := kubeadm.Config(kubeadm.ConfigData{
		ClusterName:          cluster.Name,
		KubernetesVersion:    version,
		ControlPlaneEndpoint: "node:6443",
		APIBindPort:          6443,
		ControlPlane:         true,
		NodeAddress:          "10.0.0.2",
		NodeName:             "node",
		KubeProxyMode:        string(cluster.Networking.KubeProxyMode),
	})
	if err != nil {
		return "", err
	}
	if rendered, err = patch.KubeYAML(rendered, cluster.KubeadmConfigPatches, cluster.KubeadmConfigPatchesJSON6902); err != nil {
		return "", err
	}
	node := cluster.Nodes[0]
	return patch.KubeYAML(rendered, node.KubeadmConfigPatches, node.KubeadmConfigPatchesJSON6902)
}
