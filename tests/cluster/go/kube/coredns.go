package main

import (
	"flag"
	"os"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/ready"
)

// runCoreDNS serves DNS with the few plugins a cluster's own names need; the order is CoreDNS' order of execution.
// The plugins of the full program pull in the libraries of every cloud.
func runCoreDNS(args []string) {
	dnsserver.Directives = []string{"bind", "ready", "errors", "cache", "loadbalance", "kubernetes"}
	os.Args = append([]string{"coredns"}, args...)
	flag.CommandLine.Init("coredns", flag.ExitOnError)
	coremain.Run()
}
