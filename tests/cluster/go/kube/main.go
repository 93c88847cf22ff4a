// Command kube is a whole Kubernetes in one file: the control plane, the node, cluster DNS and kubectl.
//
// It picks the component by its first argument (or by the name it is called by, so that a link named kubectl is kubectl).
// One program shares one copy of the libraries the components have in common: 144 MB instead of seven times 60.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/component-base/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// components maps a first argument to the command it stands for. The commands are made when they are asked for:
// making one registers flags and metrics in process-wide tables.
var components = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kube-proxy":              proxy.NewProxyCommand,
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
}

func main() {
	name, args := component(os.Args)
	switch name {
	case "etcd":
		etcdmain.Main(args)
	case "coredns":
		runCoreDNS(args[1:])
	case "kubectl":
		os.Args = args
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			kubectlutil.CheckErr(err)
		}
	case "version":
		fmt.Println(version.Get().GitVersion)
	default:
		build, known := components[name]
		if !known {
			fmt.Fprintf(os.Stderr, "kube: unknown component %q\n", name)
			os.Exit(2)
		}
		os.Args = args
		os.Exit(cli.Run(build()))
	}
}

// component returns the name of the component and its argument list, the name first, as it would see it on its own.
func component(argv []string) (string, []string) {
	called := filepath.Base(argv[0])
	if _, known := components[called]; known || called == "kubectl" {
		return called, argv
	}
	if len(argv) < 2 {
		return "", nil
	}
	return argv[1], argv[1:]
}
